package kronotop;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import redis.clients.jedis.CommandArguments;
import redis.clients.jedis.Connection;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisClientConfig;
import redis.clients.jedis.JedisCluster;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.providers.ClusterConnectionProvider;
import redis.clients.jedis.util.JedisClusterCRC16;

final class JedisLibrary implements ClusterLibrary {
  private final Provider provider;
  private final JedisCluster cluster;

  JedisLibrary(int port, int protocol) {
    JedisClientConfig config =
        DefaultJedisClientConfig.builder()
            .protocol(protocol == 3 ? RedisProtocol.RESP3 : RedisProtocol.RESP2)
            .build();
    provider = new Provider(Set.of(new HostAndPort("127.0.0.1", port)), config);
    cluster = new JedisCluster(provider, 5, Duration.ofSeconds(10));
  }

  /** Gives a connection to the wrong member when told to. */
  private static final class Provider extends ClusterConnectionProvider {
    private volatile boolean misleads;

    Provider(Set<HostAndPort> nodes, JedisClientConfig config) {
      super(nodes, config);
    }

    @Override
    public Connection getConnection(CommandArguments args) {
      if (!misleads) return super.getConnection(args);
      misleads = false;
      try (Connection right = super.getConnection(args)) {
        String address = right.toIdentityString();
        for (String node : getNodes().keySet()) {
          if (!address.contains(node)) return getConnection(HostAndPort.from(node));
        }
        throw new IllegalStateException("no other member than that of " + address);
      }
    }
  }

  @Override
  public int memberCount() {
    return cluster.getClusterNodes().size();
  }

  @Override
  public void set(String key, String value) {
    cluster.set(key, value);
  }

  @Override
  public String get(String key) {
    return cluster.get(key);
  }

  @Override
  public long hset(String key, String field, String value) {
    return cluster.hset(key, field, value);
  }

  @Override
  public Map<String, String> hgetall(String key) {
    return cluster.hgetAll(key);
  }

  @Override
  public List<String> pipeline(List<String> keys) {
    try (var pipeline = cluster.pipelined()) {
      List<Response<String>> replies = keys.stream().map(pipeline::get).toList();
      pipeline.sync();
      return replies.stream().map(Response::get).toList();
    }
  }

  @Override
  public List<String> transaction(String key, String value) {
    int slot = JedisClusterCRC16.getSlot(key);
    try (Connection connection = cluster.getConnectionFromSlot(slot);
        Transaction transaction = new Transaction(connection)) {
      transaction.set(key, value);
      transaction.get(key);
      return transaction.exec().stream().map(String::valueOf).toList();
    }
  }

  @Override
  public void mislead(String key) {
    provider.misleads = true;
  }

  @Override
  public void close() {
    cluster.close();
  }
}
