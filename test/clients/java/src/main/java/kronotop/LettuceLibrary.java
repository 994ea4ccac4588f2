package kronotop;

import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.ClusterTopologyRefreshOptions;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.cluster.SlotHash;
import io.lettuce.core.cluster.api.StatefulRedisClusterConnection;
import io.lettuce.core.cluster.api.sync.RedisAdvancedClusterCommands;
import io.lettuce.core.cluster.models.partitions.Partitions;
import io.lettuce.core.cluster.models.partitions.RedisClusterNode;
import io.lettuce.core.protocol.ProtocolVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

final class LettuceLibrary implements ClusterLibrary {
  private static final long LIMIT_S = 20;

  private final RedisClusterClient client;
  private final StatefulRedisClusterConnection<String, String> connection;
  private final RedisAdvancedClusterCommands<String, String> commands;

  LettuceLibrary(int port, int protocol) {
    client = RedisClusterClient.create(RedisURI.create("127.0.0.1", port));
    client.setOptions(
        ClusterClientOptions.builder()
            .protocolVersion(protocol == 3 ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2)
            .topologyRefreshOptions(
                ClusterTopologyRefreshOptions.builder().enableAllAdaptiveRefreshTriggers().build())
            .build());
    connection = client.connect();
    commands = connection.sync();
  }

  @Override
  public int memberCount() {
    return client.getPartitions().size();
  }

  @Override
  public void set(String key, String value) {
    commands.set(key, value);
  }

  @Override
  public String get(String key) {
    return commands.get(key);
  }

  @Override
  public long hset(String key, String field, String value) {
    return commands.hset(key, Map.of(field, value));
  }

  @Override
  public Map<String, String> hgetall(String key) {
    return commands.hgetall(key);
  }

  @Override
  public List<String> pipeline(List<String> keys) throws Exception {
    List<RedisFuture<String>> replies = new ArrayList<>();
    for (String key : keys) replies.add(connection.async().get(key));
    List<String> values = new ArrayList<>();
    for (RedisFuture<String> reply : replies) values.add(reply.get(LIMIT_S, TimeUnit.SECONDS));
    return values;
  }

  @Override
  public List<String> transaction(String key, String value) {
    RedisClusterNode node = client.getPartitions().getPartitionBySlot(SlotHash.getSlot(key));
    var own = connection.getConnection(node.getNodeId()).sync();
    own.multi();
    own.set(key, value);
    own.get(key);
    TransactionResult result = own.exec();
    return result.stream().map(String::valueOf).toList();
  }

  @Override
  public void mislead(String key) {
    int slot = SlotHash.getSlot(key);
    Partitions partitions = client.getPartitions();
    RedisClusterNode right = partitions.getPartitionBySlot(slot);
    for (RedisClusterNode node : partitions) {
      List<Integer> slots = new ArrayList<>(node.getSlots());
      if (node.getNodeId().equals(right.getNodeId())) slots.remove((Integer) slot);
      else slots.add(slot);
      node.setSlots(slots);
    }
    partitions.updateCache();
  }

  @Override
  public void close() {
    connection.close();
    client.shutdown();
  }
}
