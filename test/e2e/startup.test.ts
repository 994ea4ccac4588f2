/** Starts that must fail: one line that says what to do, exit code 1, nothing changed on disk. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesBelow } from '../support/damage.js'
import { repositoryRoot } from '../support/repository.js'
import { runServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('startup')

const TLS_FILES = join(repositoryRoot, 'test/support/tls')
const FREE_PORTS = ['--set', 'network.external.port=0', '--set', 'network.internal.port=0']

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-startup-'))
  try {
    await body(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Runs a start that must fail, and compares the one line it says. */
async function refuses(argv: readonly string[], line: RegExp): Promise<void> {
  const { code, stdout, stderr } = await runServer(argv)
  assert.is(code, 1, stdout)
  assert.match(stderr, line)
  assert.is(stderr.trimEnd().split('\n').length, 1, stderr)
  assert.is(stdout, '')
}

/** Paths and contents of all files. */
function fingerprint(directory: string): string {
  const hash = createHash('sha256')
  for (const path of filesBelow(directory).sort()) hash.update(path).update(readFileSync(path))
  return hash.digest('hex')
}

test('refuses wrong options and settings before it touches the disk', async () => {
  await withDirectory(async directory => {
    const data = join(directory, 'data')
    const at = ['--set', `data_dir=${data}`, ...FREE_PORTS]
    await refuses([...at, '--nosuch'], /^kronotop: Unknown option '--nosuch'/)
    await refuses([...at, '--set', 'nosuch.key=1'], /^kronotop: unknown setting nosuch.key/)
    const port = 'network.external.port'
    await refuses(
      [...at, '--set', `${port}=x`],
      /^kronotop: setting network.external.port: expected/,
    )
    await refuses([...at, '--set', `${port}=65536`], /^kronotop: setting network.external.port: /)
    await refuses([...at, '--set', 'bucket.shards=0'], /^kronotop: setting bucket.shards: /)
    await refuses(
      [...at, '--config', join(directory, 'none')],
      /^kronotop: configuration file .*none/,
    )
    const file = join(directory, 'broken.conf')
    writeFileSync(file, 'network { external { port = ')
    await refuses([...at, '--config', file], /^kronotop: .*broken.conf/)
    assert.not(existsSync(data))
  })
})

test('refuses a port in use and leaves no trace', async () => {
  const holder = createServer()
  await new Promise<void>(resolve => holder.listen(0, '127.0.0.1', resolve))
  const { port } = holder.address() as { port: number }
  try {
    await withDirectory(async directory => {
      const data = join(directory, 'data')
      for (const side of ['external', 'internal']) {
        const sets = ['--set', `data_dir=${data}`, ...FREE_PORTS]
        await refuses(
          [...sets, '--set', `network.${side}.port=${port}`],
          new RegExp(`^kronotop: cannot listen on 127.0.0.1:${port}: address already in use`),
        )
        assert.not(existsSync(data))
      }
    })
  } finally {
    holder.close()
  }
})

test('refuses TLS without a certificate that works, and leaves no trace', async () => {
  await withDirectory(async directory => {
    const data = join(directory, 'data')
    const tls = 'network.external.tls'
    const start = (...sets: string[]): string[] =>
      [`data_dir=${data}`, `${tls}.enabled=true`, ...sets]
        .flatMap(set => ['--set', set])
        .concat(FREE_PORTS)
    const [cert, key] = ['cert.pem', 'key.pem'].map(name => join(TLS_FILES, name))
    const pair = [`${tls}.cert_path=${cert}`, `${tls}.key_path=${key}`]
    await refuses(start(), /^kronotop: network.external.tls.enabled needs cert_path and key_path/)
    await refuses(
      start(`${tls}.cert_path=${directory}/none`, `${tls}.key_path=${key}`),
      /^kronotop: network.external.tls.cert_path: cannot read .*none \(ENOENT\)/,
    )
    await refuses(
      start(`${tls}.cert_path=${cert}`, `${tls}.key_path=${cert}`),
      /^kronotop: network.external.tls: .* are not a certificate and its private key/,
    )
    await refuses(
      start(...pair, 'network.external.transport=native'),
      /^kronotop: network.external.transport: native does not offer TLS/,
    )
    assert.not(existsSync(data))
  })
})

test('refuses a data directory that cannot be made', async () => {
  await withDirectory(async directory => {
    const file = join(directory, 'file')
    writeFileSync(file, 'x')
    const advice = /^kronotop: cannot make the directory .* \(\w+\): set data_dir to a directory/
    await refuses(['--set', `data_dir=${file}`, ...FREE_PORTS], advice)
    await refuses(['--set', `data_dir=${join(file, 'below')}`, ...FREE_PORTS], advice)
    if (process.platform === 'linux') {
      await refuses(['--set', 'data_dir=/proc/nosuch/data', ...FREE_PORTS], advice)
    }
    assert.is(readFileSync(file, 'utf8'), 'x')
  })
})

test('refuses a data directory that another process uses', async () => {
  await withTestServer([], async server => {
    const client = await server.connect()
    await client.call('ZSET', 'k', 'v')
    const argv = ['--set', `data_dir=${server.directory}`, ...FREE_PORTS]
    await refuses(argv, /^kronotop: the data directory .* is in use by another process/)
    assert.is(await client.call('ZGET', 'k'), 'v')
    await server.restart()
    assert.is(await (await server.connect()).call('ZGET', 'k'), 'v')
  })
})

test('two members share a store, and the second outlives the first', async () => {
  await withTestServer([], first =>
    withTestServer([`store.path=${join(first.directory, '.store')}`], async second => {
      const [one, other] = [await first.connect(), await second.connect()]
      await one.call('ZSET', 'k', 'from the first')
      assert.is(await other.call('ZGET', 'k'), 'from the first')
      await other.call('ZSET', 'k', 'from the second')
      assert.is(await one.call('ZGET', 'k'), 'from the second')
      await first.kill()
      assert.is(await other.call('ZGET', 'k'), 'from the second')
      await other.call('ZSET', 'k', 'alone')
      assert.is(await other.call('ZGET', 'k'), 'alone')
    }),
  )
})

test('refuses a data directory with foreign contents', async () => {
  await withDirectory(async directory => {
    const argv = ['--set', `data_dir=${directory}`, ...FREE_PORTS]
    mkdirSync(join(directory, 'development', 'holiday-pictures'), { recursive: true })
    writeFileSync(join(directory, 'development', 'holiday-pictures', 'beach'), 'x')
    const before = fingerprint(directory)
    await refuses(argv, /^kronotop: .*holiday-pictures is not a member's directory/)
    assert.is(fingerprint(directory), before)
  })
})

test('says its version, its options, and whether a configuration is valid', async () => {
  await withDirectory(async directory => {
    const data = join(directory, 'data')
    const version = await runServer(['--version'])
    assert.match(version.stdout, /^kronotop \d+\.\d+\.\d+\n$/)
    const help = await runServer(['--help'])
    assert.match(help.stdout, /--set/)
    assert.match(help.stdout, /network\.external\.port/)
    const check = await runServer(['--check-config', '--set', `data_dir=${data}`])
    assert.is(check.stdout, 'the configuration is valid\n')
    for (const { code, stderr } of [version, help, check]) assert.equal([code, stderr], [0, ''])
    assert.not(existsSync(data))
  })
})

test('stops on SIGTERM with a client connected and a transaction open', async () => {
  await withTestServer([], async server => {
    const client = await server.connect()
    await client.call('ZSET', 'kept', '1')
    await client.call('BEGIN')
    await client.call('ZSET', 'open', '1')
    const startedAt = Date.now()
    await server.restart()
    assert.ok(Date.now() - startedAt < 10_000)
    const after = await server.connect()
    assert.equal([await after.call('ZGET', 'kept'), await after.call('ZGET', 'open')], ['1', null])
  })
})

test.run()
