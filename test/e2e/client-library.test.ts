/** How a server uses an installed FoundationDB client library, short of a real cluster. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nativePath } from '../../ts/native.js'
import { buildStandIn, copyWithoutAdditions } from '../support/client-library/libraries.js'
import { runServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('client library')

const place = mkdtempSync(join(tmpdir(), 'kronotop-client-'))
const clusterFile = join(place, 'fdb.cluster')
const standIn = join(place, 'libfdb_c.so')
const OWN_LIBRARY = nativePath('libfdb_c.so')
const OPTIONS = 'foundationdb.network_options'
/** A port that nobody listens on. */
const NOBODY = 'test:test@127.0.0.1:1\n'

/** A start that waits its whole time for an answer, beside the other tests. */
let unanswered: Promise<unknown>
let starts = 0

test.before(() => {
  writeFileSync(clusterFile, NOBODY)
  buildStandIn(standIn)
  unanswered = refusal(withStandIn()).catch(failure => failure)
})
test.after(() => rmSync(place, { recursive: true }))

/** Runs a start that must fail, and checks that it left nothing.
 *  @returns the one line that it says */
async function refusal(
  sets: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  starts += 1
  const data = join(place, `data-${starts}`)
  const ports = ['network.external.port=0', 'network.internal.port=0']
  const all = [`data_dir=${data}`, ...ports, `foundationdb.clusterfile=${clusterFile}`, ...sets]
  const argv = all.flatMap(set => ['--set', set])
  const { code, stdout, stderr } = await runServer(argv, variables)
  assert.equal([code, stdout, existsSync(data)], [1, '', false])
  assert.match(stderr, /^kronotop: [^\n]+\n$/)
  return stderr.slice('kronotop: '.length, -1)
}

const withStandIn = (...sets: string[]): string[] => [`foundationdb.fdbc=${standIn}`, ...sets]

test('names the library that is missing, and where it is to be had', async () => {
  const advice =
    'install the package foundationdb-clients, which is on the releases page of FoundationDB, ' +
    'or set foundationdb.fdbc to a libfdb_c.so'
  const refuses = async (library: string, reason: RegExp): Promise<void> => {
    const line = await refusal([`foundationdb.fdbc=${library}`])
    const start = `cannot load FoundationDB's client library ${library}, which `
    assert.ok(line.startsWith(`${start}foundationdb.clusterfile needs (${library}`), line)
    assert.ok(line.endsWith(`): ${advice}`), line)
    assert.match(line, reason)
  }
  await refuses(join(place, 'none.so'), /cannot open shared object file/)
  await refuses(clusterFile, /file too short|invalid ELF header/)
  await refuses(
    nativePath('addon.node'),
    / is no libfdb_c of 6\.1 or later: it has no fdb_get_error/,
  )
})

test('names a cluster file that is missing, or that is not for this library', async () => {
  const none = join(place, 'none')
  assert.is(
    await refusal(withStandIn(`foundationdb.clusterfile=${none}`)),
    `foundationdb.clusterfile: cannot read ${none} (ENOENT)`,
  )
  assert.match(
    await refusal([`foundationdb.fdbc=${OWN_LIBRARY}`]),
    /cannot open the FoundationDB cluster of .* which needs the libfdb_c of a FoundationDB inst/,
  )
  assert.is(
    await refusal(withStandIn(), { STAND_IN_ERROR: '2104' }),
    `cannot use the FoundationDB cluster of ${clusterFile}: Connection string invalid`,
  )
})

test('refuses API versions that the library or this server does not have', async () => {
  assert.is(
    await refusal(withStandIn(), { STAND_IN_NEWEST: '710' }),
    `setting foundationdb.apiversion: cannot be 720: ${standIn} supports versions up to 710`,
  )
  const older = withStandIn('foundationdb.apiversion=710')
  assert.match(
    await refusal(older, { STAND_IN_NEWEST: '710', STAND_IN_ERROR: '2104' }),
    /2104|Conn/,
  )
  for (const version of ['0', '510', '721', 'x']) {
    assert.match(
      await refusal(withStandIn(`foundationdb.apiversion=${version}`)),
      /^setting foundationdb\.apiversion: expected a whole number from 520 to 720, got /,
    )
  }
})

test('hands the network options over in the encoding of the C API', async () => {
  const log = join(place, 'options')
  const file = join(place, 'file.pem')
  writeFileSync(file, 'x')
  const hex = (text: string): string => Buffer.from(text).toString('hex')
  /** The password comes before the key that it opens. */
  const options: readonly (readonly [setting: string, value: string, handedOver: string])[] = [
    ['trace.enable', place, `30 ${hex(place)}`],
    ['trace.roll_size', '10485760', '31 0000a00000000000'],
    ['trace.max_logs_size', '1099511627777', '32 0100000000010000'],
    ['trace.log_group', 'gruppe ä', `33 ${hex('gruppe ä')}`],
    ['trace.format', 'json', `34 ${hex('json')}`],
    ['trace.file_identifier', 'me', `36 ${hex('me')}`],
    ['tls.password', 'secret', `54 ${hex('secret')}`],
    ['tls.cert_path', file, `43 ${hex(file)}`],
    ['tls.key_path', file, `46 ${hex(file)}`],
    ['tls.verify_peers', 'Check.Valid=1', `47 ${hex('Check.Valid=1')}`],
    ['tls.ca_path', file, `53 ${hex(file)}`],
    ['client.disable_statistics_logging', 'true', '70 none'],
    ['client.distributed_tracer', 'log_file', `90 ${hex('log_file')}`],
    ['client.tmp_dir', place, `91 ${hex(place)}`],
  ]
  const sets = options.map(([setting, value]) => `${OPTIONS}.${setting}=${value}`)
  const variables = { STAND_IN_ERROR: '2104', STAND_IN_LOG: log }
  await refusal(withStandIn(...sets), variables)
  const given = readFileSync(log, 'utf8').trimEnd().split('\n')
  assert.equal(
    given,
    options.map(([, , handedOver]) => handedOver),
  )
  rmSync(log)
  await refusal(withStandIn(`${OPTIONS}.client.disable_statistics_logging=false`), variables)
  assert.not(existsSync(log))
})

test('names the network option that the library refuses or cannot use', async () => {
  const password = withStandIn(`${OPTIONS}.tls.password=secret`)
  assert.is(
    await refusal(password, { STAND_IN_REFUSES: '54' }),
    `setting ${OPTIONS}.tls.password: the client library refuses it: ` +
      'Option set with an invalid value',
  )
  const none = join(place, 'none')
  for (const name of ['cert_path', 'key_path', 'ca_path']) {
    const setting = `${OPTIONS}.tls.${name}`
    const line = `${setting}: cannot read ${none} (ENOENT)`
    assert.is(await refusal(withStandIn(`${setting}=${none}`)), line)
  }
  for (const [name, path, code] of [
    ['trace.enable', none, 'ENOENT'],
    ['client.tmp_dir', clusterFile, 'ENOTDIR'],
  ]) {
    const setting = `${OPTIONS}.${name}`
    const line = `${setting}: ${path} is no directory that can be written to (${code})`
    assert.is(await refusal(withStandIn(`${setting}=${path}`)), line)
  }
})

test('serves from the cluster of the settings, and keeps what it has there', async () => {
  const cluster = join(place, 'cluster')
  mkdirSync(cluster)
  const library = join(place, 'plain.so')
  copyWithoutAdditions(library)
  const sets = [
    `foundationdb.clusterfile=${cluster}`,
    `foundationdb.fdbc=${library}`,
    'foundationdb.apiversion=630',
    `${OPTIONS}.trace.enable=${place}`,
    `${OPTIONS}.trace.roll_size=0`,
    `${OPTIONS}.client.disable_statistics_logging=true`,
    'cluster.auto_bootstrap=true',
  ]
  await withTestServer(sets, async server => {
    const store = `FoundationDB cluster ${cluster}, API version 630`
    assert.match(server.output, new RegExp(`^Store +${store}$`, 'm'))
    await (await server.connect()).call('ZSET', 'k', 'v')
    await server.restart()
    assert.is(await (await server.connect()).call('ZGET', 'k'), 'v')
    assert.not(existsSync(join(server.directory, '.store')))
  })
})

test('starts again after a crash once the former heartbeat stood still', async () => {
  const cluster = join(place, 'crashed')
  mkdirSync(cluster)
  const sets = [
    `foundationdb.clusterfile=${cluster}`,
    `foundationdb.fdbc=${OWN_LIBRARY}`,
    'cluster.auto_bootstrap=true',
    'cluster.heartbeat.maximum_silent_period=1',
  ]
  await withTestServer(sets, async server => {
    await (await server.connect()).call('ZSET', 'k', 'v')
    await server.kill()
    await server.start()
    assert.match(server.output, /this member is recorded as running; listening for its heartbeat/)
    assert.is(await (await server.connect()).call('ZGET', 'k'), 'v')
  })
})

test('leaves it to an operator to form a cluster on FoundationDB', async () => {
  const cluster = join(place, 'unformed')
  mkdirSync(cluster)
  const sets = [`foundationdb.clusterfile=${cluster}`, `foundationdb.fdbc=${OWN_LIBRARY}`]
  await withTestServer([...sets], async server => {
    const client = await server.connect()
    const reply = '-ERR cluster has not been initialized yet\r\n'
    await client.exchange(['ZGET', 'k'], reply)
  })
})

test('ends a start when the cluster does not answer', async () => {
  const line = String(await unanswered)
  const start = `cannot use the FoundationDB cluster of ${clusterFile}: no answer within 10 s`
  assert.ok(line.startsWith(start), line)
})

test.run()
