package kronotop;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Scanner;
import java.util.stream.IntStream;

/**
 * Runs the checks of one library against two members, and prints each outcome as a line of JSON.
 *
 * <p>Arguments: jedis or lettuce, port of a member, protocol (2 or 3). The line {@code restart} asks
 * for both members to be restarted on the same ports, and one on stdin says that it is done.
 */
public final class ClusterChecks {
  private static final List<String> KEYS =
      IntStream.range(0, 100).mapToObj(i -> "java:" + i).toList();
  private static final long LIMIT_MS = 20_000;

  private final ClusterLibrary library;

  private ClusterChecks(ClusterLibrary library) {
    this.library = library;
  }

  /** What a check does; whatever it throws is its outcome. */
  private interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[1]);
    int protocol = Integer.parseInt(args[2]);
    try (ClusterLibrary library =
        args[0].equals("jedis")
            ? new JedisLibrary(port, protocol)
            : new LettuceLibrary(port, protocol)) {
      ClusterChecks checks = new ClusterChecks(library);
      report("finds the members, and routes keys to them", checks::routes);
      report("follows MOVED", checks::followsMoved);
      report("pipelines", checks::pipelines);
      report("runs MULTI … EXEC on either member", checks::runsTransactions);
      report("reconnects to both members after a restart", checks::reconnects);
    }
  }

  private void routes() throws Exception {
    equal(library.memberCount(), 2);
    for (String key : KEYS) library.set(key, "of " + key);
    for (String key : KEYS) equal(library.get(key), "of " + key);
    equal(library.hset("java:h", "f", "1"), 1L);
    equal(library.hgetall("java:h").get("f"), "1");
    equal(library.get("java:none"), null);
  }

  private void followsMoved() throws Exception {
    for (int i = 0; i < 20; i++) {
      String key = "java:moved:" + i;
      library.mislead(key);
      library.set(key, "v");
      equal(library.get(key), "v");
    }
  }

  private void pipelines() throws Exception {
    for (String key : KEYS) library.set(key, key);
    equal(library.pipeline(KEYS), KEYS);
  }

  private void runsTransactions() throws Exception {
    for (String key : KEYS.subList(0, 10)) {
      equal(library.transaction(key, "in " + key), List.of("OK", "in " + key));
    }
  }

  private void reconnects() throws Exception {
    for (String key : KEYS) library.set(key, "kept");
    System.out.println("restart");
    new Scanner(System.in).nextLine();
    long deadline = System.currentTimeMillis() + LIMIT_MS;
    for (String key : KEYS) equal(getUntil(key, deadline), "kept");
  }

  /** The value of a key, as soon as the library is connected again. */
  private String getUntil(String key, long deadline) throws Exception {
    for (;;) {
      try {
        return library.get(key);
      } catch (RuntimeException cause) {
        if (System.currentTimeMillis() > deadline) throw cause;
        Thread.sleep(20);
      }
    }
  }

  private static void equal(Object actual, Object expected) {
    boolean isEqual = expected == null ? actual == null : expected.equals(actual);
    if (!isEqual) throw new AssertionError(actual + " is not " + expected);
  }

  private static void report(String name, Check check) {
    String error = "null";
    try {
      check.run();
    } catch (Throwable cause) {
      StringWriter trace = new StringWriter();
      cause.printStackTrace(new PrintWriter(trace));
      error = quoted(trace.toString());
    }
    System.out.println("{\"name\": " + quoted(name) + ", \"error\": " + error + "}");
  }

  private static String quoted(String text) {
    String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"");
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "") + '"';
  }
}
