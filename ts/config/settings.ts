/**
 * Every setting of the server, once. Parsing, defaults, bounds, `--help`, the reference page and
 * the type of the configuration all come from this tree; a key is the path to its row, joined by
 * dots. All settings are read at the start: none can be changed while the server runs.
 */
import { choice, directoryName, flag, integer, map, number, path, text } from './kinds.js'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const JVM_ONLY = 'it belongs to the Java implementation'

/** The rows of one listener. */
function side(what: string, port: number) {
  return {
    host: text(`Address that ${what} bind to.`, '127.0.0.1'),
    port: integer(`Port of ${what}; 0 picks a free one.`, port, { max: 65535 }),
    advertised_host: text('Host that others are told to connect to, behind NAT or in a container.'),
    advertised_port: integer('Port that others are told to connect to.', undefined, {
      min: 1,
      max: 65535,
    }),
    transport: choice(
      'Socket layer: native (Linux, plain TCP) or that of Node; auto takes native where it can.',
      ['auto', 'native', 'node'],
      'auto',
    ),
    tls: {
      enabled: flag('Encrypts the connections; cert_path and key_path are required then.', false),
      cert_path: path('Certificate chain (PEM).'),
      key_path: path('Private key (PEM).'),
    },
    netty: {
      transport: text('Socket layer of the JVM.', undefined, { ignored: JVM_ONLY }),
      worker_threads: text('Threads of the JVM.', undefined, { ignored: JVM_ONLY }),
      so_backlog: text('Accept queue of the JVM.', undefined, { ignored: JVM_ONLY }),
      so_reuseport: text('Port sharing of the JVM.', undefined, { ignored: JVM_ONLY }),
    },
  }
}

/** The rows of one kind of volume. */
function volume() {
  return {
    segment_size: integer('Length of a segment file; equal on all members.', 4 * GIB, {
      unit: 'bytes',
      min: 64 * 1024,
      max: 4 * GIB,
    }),
    segment_replication_chunk_size: integer('Bytes that a standby asks for at once.', 16 * MIB, {
      unit: 'bytes',
      min: 4096,
      max: 512 * MIB,
    }),
  }
}

const network = {
  external: side('client connections', 5484),
  internal: {
    ...side('administration and member connections', 3320),
    tls: {
      ...side('', 0).tls,
      ca_path: path('Certificates (PEM) that connections between members are checked against.'),
    },
  },
  max_clients: integer(
    'Client connections at a time; fewer where the limit of open files is low.',
    10_000,
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  query_buffer_limit: integer('Largest request.', GIB, {
    unit: 'bytes',
    min: MIB,
    max: 4 * GIB,
  }),
  // Above what back-pressure lets come together before a reply: 1.25 MiB.
  reply_buffer_limit: integer(
    'Unsent replies of one connection beyond which the next one closes it.',
    256 * MIB,
    { unit: 'bytes', min: 2 * MIB, max: 4 * GIB },
  ),
  idle_timeout: integer('Silence after which a connection is closed; 0 = never.', 0, {
    unit: 's',
    max: 31_536_000,
  }),
}

const cluster = {
  name: directoryName('Clusters of different names may share one FoundationDB.', 'development'),
  auto_bootstrap: flag(
    'Initialises the cluster and routes its shards to this member at the first start.',
    undefined,
    { derived: 'true on the embedded store, false on FoundationDB' },
  ),
  failover: choice('Promotes a standby when a primary falls silent.', ['off', 'auto'], 'off'),
  force_initialization: flag('Starts although the member is recorded as running.', false),
  heartbeat: {
    interval: integer('Time between two heartbeats.', 5, { unit: 's', min: 1, max: 3600 }),
    maximum_silent_period: integer(
      'Silence after which a member is suspected dead; 3 to 4 times the interval at least.',
      20,
      { unit: 's', min: 1, max: 86_400 },
    ),
  },
  client_pool: {
    idle_timeout: integer('Idle time after which a connection to a member is closed.', 10, {
      unit: 'min',
      min: 1,
      max: 1440,
    }),
  },
}

const foundationdb = {
  clusterfile: path('Cluster file of a FoundationDB cluster; unset = the embedded store.'),
  fdbc: path('The libfdb_c to load for a cluster; unset = the one the system finds.'),
  fdbjava: text('Java binding.', undefined, { ignored: JVM_ONLY }),
  // Stamped keys are built with offsets of 4 bytes, which came with 520; the package knows 720.
  apiversion: integer('FoundationDB API version; the client library has to support it.', 720, {
    min: 520,
    max: 720,
  }),
  network_options: {
    trace: {
      enable: path('Existing directory for trace files of the client; unset = none.'),
      roll_size: integer('Size of one trace file.', undefined, { unit: 'bytes' }),
      max_logs_size: integer('Size of all trace files.', undefined, { unit: 'bytes' }),
      log_group: text('Log group of the trace files.'),
      format: choice('Format of the trace files.', ['json', 'xml']),
      file_identifier: text('Part of the names of the trace files.'),
    },
    tls: {
      cert_path: path('Certificate chain (PEM) of the FoundationDB client.'),
      key_path: path('Private key (PEM) of the FoundationDB client.'),
      ca_path: path('Certificates (PEM) that the FoundationDB servers are checked against.'),
      password: text('Password of the private key.', undefined, { secret: true }),
      verify_peers: text('Rule that the peer certificates must satisfy.'),
    },
    client: {
      tmp_dir: path('Existing directory for temporary files of the client.'),
      disable_statistics_logging: flag('Leaves statistics out of the trace files.'),
      distributed_tracer: text('Distributed tracer of the client.'),
    },
  },
}

const bucket = {
  shards: integer('Document shards; read when the cluster is initialised.', 1, {
    min: 1,
    max: 65_535,
  }),
  object_id_format: choice('How replies show an ObjectId.', ['bytes', 'hex'], 'bytes'),
  plan_cache: {
    enabled: flag('Keeps query plans by the shape of the query.', true),
    max_ttl: integer('Longest life of a cached plan.', 300_000, { unit: 'ms', min: 1 }),
  },
  volume: volume(),
  index: {
    strict_types: flag('Refuses documents whose indexed field has another type.', true),
    maintenance: {
      worker_pool_size: integer('Workers that build indexes; 0 = one a core.', 0, { max: 1024 }),
      worker_maintenance_interval: integer('Time between two looks for work.', 60, {
        unit: 's',
        min: 1,
        max: 86_400,
      }),
    },
  },
  vector: {
    flush_threshold_bytes: integer('Size at which a vector graph is written out.', 256 * MIB, {
      unit: 'bytes',
      min: MIB,
    }),
    pq_training_threshold: integer('Vectors from which product quantisation is trained.', 1000, {
      min: 1,
    }),
    pq_subspace_divisor: integer('Dimensions of one quantised subspace.', 6, { min: 1 }),
    max_scan_candidates: integer('Candidates that a filtered search looks at.', 10_000, { min: 1 }),
    default_overquery: number('Candidates fetched for every result wanted.', 1, { min: 1 }),
  },
}

const redis = {
  enabled: flag('Offers the Redis string and hash commands.', true),
  shards: integer('Shards of the Redis data; equal on all members.', 1, { min: 1, max: 16_384 }),
  maxmemory: integer('Memory of the Redis data beyond which writes answer OOM.', undefined, {
    unit: 'bytes',
    min: MIB,
    derived: '3/4 of the heap',
  }),
  volume: volume(),
  volume_syncer: {
    prefix: text('First part of the names of the syncer workers.', 'redis-volume-syncer'),
    workers: integer('Workers that write changes to the volumes.', 8, { min: 1, max: 1024 }),
    period: integer('Idle wait between two looks for changes.', 1000, {
      unit: 'ms',
      min: 1,
      max: 3_600_000,
    }),
    synchronous_replication: flag(
      'Commits Redis data only once its standbys have it: as many as replication.synchronous says.',
      undefined,
      { derived: 'true if replication.synchronous is above 0' },
    ),
  },
}

const volumes = {
  preallocate_bytes: integer('Blocks reserved ahead of the tail of a segment.', 64 * MIB, {
    unit: 'bytes',
    min: 4096,
    max: 4 * GIB,
  }),
  vacuum: {
    max_workers: integer('Segments that a vacuum works on at a time; 0 = one a core.', 1, {
      max: 1024,
    }),
    max_bytes_per_second: integer('Speed limit of a vacuum; 0 = none.', 0, { unit: 'bytes/s' }),
    auto_threshold: integer('Garbage at which a vacuum starts by itself; 0 = never.', 0, {
      unit: '%',
      max: 100,
    }),
  },
  replication: {
    max_retries: integer('Quick failures in a row after which replication gives up.', 10),
    retry_interval: integer('Wait after a failure.', 10, { unit: 's', min: 1 }),
    reset_threshold: integer('An attempt that lasted longer resets the count.', 10, {
      unit: 's',
      min: 1,
    }),
    reconnect_backoff: integer('Wait for the connection to a new primary.', 250, {
      unit: 'ms',
      min: 1,
    }),
  },
}

/** The tree. Order is that of `--help` and of the reference page. */
export const SETTINGS = {
  data_dir: path('Directory of everything that this member stores.', 'kronotop-data'),
  default_namespace: text('Namespace that a session starts in.', 'global'),
  store: {
    path: path('Directory of the embedded store; members of one host may share it.', undefined, {
      derived: '.store in data_dir',
    }),
  },
  foundationdb,
  cluster,
  network,
  auth: {
    requirepass: text('Password of the user default; present = AUTH is required.', undefined, {
      secret: true,
    }),
    users: map('Password of each user; present = AUTH is required.', { secret: true }),
  },
  session_attributes: {
    input_type: choice('Format of the documents that clients send.', ['bson', 'json'], 'bson'),
    reply_type: choice('Format of the documents that clients get.', ['bson', 'json'], 'bson'),
    limit: integer('Documents of one reply, unless a query says otherwise.', 100, {
      min: 1,
      max: 9999,
    }),
  },
  namespaces: {
    remove_mode: choice(
      'Whether NAMESPACE REMOVE only marks the namespace or purges it as well.',
      ['two-phase', 'immediate'],
      'two-phase',
    ),
  },
  bucket,
  zmap: {
    range_end: choice(
      'Whether the end of ZGETRANGE belongs to the range.',
      ['exclusive', 'inclusive'],
      'exclusive',
    ),
  },
  redis,
  volume: volumes,
  replication: {
    synchronous: integer(
      'Standbys that a synchronous write waits for, or all that its shard has; 0 = all.',
      0,
      { max: 100 },
    ),
    synchronous_timeout: integer('Longest wait for them; then the write is tried again.', 5000, {
      unit: 'ms',
      min: 1,
      max: 3_600_000,
    }),
  },
  background_tasks: {
    journal_cleanup_task: {
      retention_period: integer('Age at which events are deleted, in `timeunit`.', 1, { min: 1 }),
      timeunit: choice(
        'Unit of retention_period.',
        ['milliseconds', 'seconds', 'minutes', 'hours', 'days'],
        'days',
        { refusal: 'Invalid timeunit: <v>' },
      ),
    },
  },
  compat: {
    error_names: choice('Which texts errors with two forms get.', ['seed', 'current'], 'seed'),
  },
  directory: {
    root: text('Keeps all data in the store under a directory of this name (for tests).'),
  },
  log: {
    level: choice(
      'Least severe messages that are logged.',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'info',
    ),
  },
  log_command_for_debugging: flag('Logs each command at level debug.', false),
}

/** Other roots under which a subtree is found. */
export const ALIASES: ReadonlyMap<string, string> = new Map([['stash', 'redis']])
