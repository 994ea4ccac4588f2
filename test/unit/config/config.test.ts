import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeSettings, helpText, parseArguments } from '../../../ts/config/arguments.js'
import { type ConfigSources, loadConfig } from '../../../ts/config/config.js'
import { ConfigError } from '../../../ts/config/error.js'
import { ROWS } from '../../../ts/config/rows.js'
import { variableOf } from '../../../ts/config/sources.js'

const test = suite('config')
let directory = ''

test.before(() => {
  directory = mkdtempSync(join(tmpdir(), 'kronotop-config-'))
})

test.after(() => rmSync(directory, { recursive: true }))

function file(source: string): string {
  const path = join(directory, 'kronotop.conf')
  writeFileSync(path, source)
  return path
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.instance(error, ConfigError)
    const { message } = error as ConfigError
    assert.not.match(message, '\n')
    return message
  }
  throw new Error('accepted')
}

const refused = (sources: ConfigSources) => refusal(() => loadConfig(sources))

test('has the documented defaults', () => {
  const { config, warnings } = loadConfig()
  assert.equal(warnings, [])
  assert.is(config.default_namespace, 'global')
  assert.is(config.data_dir, resolve('kronotop-data'))
  assert.is(config.store.path, resolve('kronotop-data/.store'))
  assert.is(config.network.external.port, 5484)
  assert.is(config.network.internal.port, 3320)
  assert.is(config.network.external.host, '127.0.0.1')
  assert.is(config.cluster.auto_bootstrap, true)
  assert.is(config.bucket.volume.segment_size, 4_294_967_296)
  assert.is(config.redis.enabled, true)
  assert.is(config.foundationdb.clusterfile, undefined)
  assert.is(config.foundationdb.apiversion, 720)
  assert.is(config.compat.error_names, 'seed')
  assert.ok(config.redis.maxmemory > 0)
})

test('is frozen to the bottom', () => {
  const { config } = loadConfig({ sets: ['auth.users.alice=secret'] })
  assert.ok(Object.isFrozen(config.network.external.tls))
  assert.ok(Object.isFrozen(config.auth.users))
  assert.throws(() => Object.assign(config.network.external, { port: 1 }), TypeError)
})

test('prefers --set to the environment, that to the file, and that to the default', () => {
  const path = file('network { external.port = 1001, internal.port = 1002 }\nredis.shards = 3')
  const environment = {
    KRONOTOP_NETWORK_EXTERNAL_PORT: '2001',
    KRONOTOP_NETWORK_INTERNAL_PORT: '2002',
  }
  const sets = ['network.external.port=3001']
  const { network, redis, bucket } = loadConfig({ file: path, environment, sets }).config
  assert.is(network.external.port, 3001)
  assert.is(network.internal.port, 2002)
  assert.is(redis.shards, 3)
  assert.is(bucket.shards, 1)
})

test('reads every kind of setting from text', () => {
  const { config } = loadConfig({
    sets: [
      'log.level=DEBUG',
      'redis.enabled=False',
      'bucket.vector.default_overquery=1.5',
      'data_dir=./elsewhere',
      'cluster.name=a=b',
    ],
  })
  assert.is(config.log.level, 'debug')
  assert.is(config.redis.enabled, false)
  assert.is(config.bucket.vector.default_overquery, 1.5)
  assert.is(config.data_dir, resolve('elsewhere'))
  assert.is(config.store.path, resolve('elsewhere/.store'))
  assert.is(config.cluster.name, 'a=b')
})

test('computes what depends on other settings', () => {
  const cluster = loadConfig({ sets: ['foundationdb.clusterfile=/etc/fdb.cluster'] }).config
  assert.is(cluster.cluster.auto_bootstrap, false)
  const sets = ['foundationdb.clusterfile=/etc/fdb.cluster', 'cluster.auto_bootstrap=true']
  assert.is(loadConfig({ sets }).config.cluster.auto_bootstrap, true)
})

test('waits for standbys when it is told how many, or just to', () => {
  const isSynchronous = (...sets: string[]) =>
    loadConfig({ sets }).config.redis.volume_syncer.synchronous_replication
  assert.not(isSynchronous())
  assert.ok(isSynchronous('replication.synchronous=1'))
  assert.not(
    isSynchronous('replication.synchronous=1', 'redis.volume_syncer.synchronous_replication=false'),
  )
  assert.ok(isSynchronous('stash.volume_syncer.synchronous_replication=true'))
})

test('merges the users of all sources', () => {
  const path = file('auth.users { alice = one, "bob.b" = "two" }')
  const environment = { KRONOTOP_AUTH_USERS: '{"carol": "three"}' }
  const { users } = loadConfig({ file: path, environment, sets: ['auth.users.alice=four'] }).config
    .auth
  assert.equal({ ...users }, { alice: 'four', 'bob.b': 'two', carol: 'three' })
})

test('accepts the old root stash and warns about settings of the JVM', () => {
  const path = file(
    'stash { shards = 7, volume_syncer.workers = 2 }\nnetwork.external.netty.transport = epoll',
  )
  const { config, warnings } = loadConfig({ file: path, sets: ['foundationdb.fdbjava=/x'] })
  assert.is(config.redis.shards, 7)
  assert.is(config.redis.volume_syncer.workers, 2)
  assert.is(warnings.length, 2)
  assert.match(
    warnings[0] ?? '',
    `setting network.external.netty.transport (${path}:2) has no effect`,
  )
})

test('treats null in a file and an empty variable as not given', () => {
  const path = file('foundationdb.clusterfile = null')
  const environment = { KRONOTOP_CLUSTER_NAME: '' }
  const { config } = loadConfig({ file: path, environment })
  assert.is(config.foundationdb.clusterfile, undefined)
  assert.is(config.cluster.name, 'development')
})

test('refuses a bad value in one line that names setting, rule and origin', () => {
  assert.is(
    refused({ sets: ['network.external.port=70000'] }),
    'setting network.external.port: expected a whole number from 0 to 65535, got "70000" (--set)',
  )
  assert.is(
    refused({ environment: { KRONOTOP_LOG_LEVEL: 'loud' } }),
    'setting log.level: expected one of trace, debug, info, warn, error, fatal, silent, ' +
      'got "loud" (KRONOTOP_LOG_LEVEL)',
  )
  const path = file('\nredis.enabled = 1')
  assert.is(
    refused({ file: path }),
    `setting redis.enabled: expected true or false, got "1" (${path}:2)`,
  )
  assert.match(refused({ sets: ['default_namespace= '] }), 'expected text that is not blank')
  assert.is(
    refused({ sets: ['background_tasks.journal_cleanup_task.timeunit=eons'] }),
    'Invalid timeunit: eons',
  )
  assert.match(refused({ file: file('redis.shards = [1]') }), 'got a list')
  assert.match(refused({ file: file('redis.shards { a = 1 }') }), 'got a group')
})

test('shows no secret in an error', () => {
  assert.not.match(refused({ sets: ['auth.users=hunter2'] }), 'hunter2')
})

test('refuses an unknown setting and names the nearest', () => {
  assert.is(
    refused({ sets: ['network.external.prot=1'] }),
    'unknown setting network.external.prot (--set); did you mean network.external.port?',
  )
  assert.match(
    refused({ environment: { KRONOTOP_DATADIR: 'x' } }),
    'environment variable KRONOTOP_DATADIR); did you mean data_dir?',
  )
  assert.match(refused({ file: file('nonsense = 1') }), 'kronotop.conf:1); see --help')
  assert.match(refused({ sets: ['network=1'] }), 'network is a group of settings')
  assert.match(refused({ sets: ['cluster.name'] }), '--set expects key=value')
  assert.match(refused({ sets: ['__proto__.x=1'] }), 'unknown setting __proto__.x')
})

test('leaves variables of other parts of the product alone', () => {
  loadConfig({
    environment: {
      KRONOTOP_TEST_LONG: '1',
      KRONOTOP_BOOTSTRAP: 'x',
      KRONOTOP_SERVICE_HOST: '10.0.0.1',
      KRONOTOP_PORT_5484_TCP_ADDR: '10.0.0.1',
    },
  })
})

test('refuses settings that do not go together', () => {
  assert.match(refused({ sets: ['network.external.tls.enabled=true'] }), 'needs cert_path')
  assert.match(refused({ sets: ['network.internal.port=5484'] }), 'are both 5484')
})

test('says which file cannot be read', () => {
  const missing = join(directory, 'missing.conf')
  assert.is(refused({ file: missing }), `configuration file ${missing} cannot be read: ENOENT`)
})

test('gives every setting a variable of its own', () => {
  const variables = [...ROWS.keys()].map(variableOf)
  assert.is(new Set(variables).size, variables.length)
})

test('accepts the default of every setting when it is given as text', () => {
  for (const [key, { setting }] of ROWS) {
    if (setting.fallback === undefined) continue
    loadConfig({ sets: [`${key}=${setting.fallback}`] })
  }
})

test('describes every setting once', () => {
  const described = describeSettings()
  assert.is(new Set(described.map(row => row.key)).size, described.length)
  assert.ok(described.every(row => /[.]$/.test(row.doc)))
  for (const row of described) {
    assert.is(helpText().includes(`  ${row.key}\n`), row.ignored === undefined, row.key)
  }
})

test('takes the command line apart', () => {
  assert.equal(parseArguments([]), {
    help: false,
    version: false,
    checkConfig: false,
    configFile: undefined,
    sets: [],
  })
  const parsed = parseArguments(['--set', 'a=1', '--config', 'f', '--set=b=2', '--check-config'])
  assert.equal(parsed.sets, ['a=1', 'b=2'])
  assert.is(parsed.configFile, 'f')
  assert.ok(parsed.checkConfig)
  assert.match(
    refusal(() => parseArguments(['--nope'])),
    "Unknown option '--nope'",
  )
  assert.match(
    refusal(() => parseArguments(['word'])),
    'see --help',
  )
})

test.run()
