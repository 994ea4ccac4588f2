package kronotop;

import java.util.List;
import java.util.Map;

/** The cluster mode of a client library. */
interface ClusterLibrary extends AutoCloseable {
  int memberCount();

  void set(String key, String value);

  String get(String key);

  long hset(String key, String field, String value);

  Map<String, String> hgetall(String key);

  /** GETs without waiting for each reply. */
  List<String> pipeline(List<String> keys) throws Exception;

  /** The replies of MULTI, SET and GET of a key, EXEC. */
  List<String> transaction(String key, String value);

  /** Makes the next command that names the key go to the wrong member. The key was not used yet. */
  void mislead(String key);

  @Override
  void close();
}
