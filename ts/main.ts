/** The command line of the server: options, configuration, one member, signals. */

import { readFileSync } from 'node:fs'
import { addressText } from './cluster/member.js'
import { helpText, parseArguments } from './config/arguments.js'
import { type Config, loadConfig } from './config/config.js'
import { ConfigError } from './config/error.js'
import { createLogger } from './log.js'
import { Member } from './member.js'

/** Version of the package; HELLO and INFO tell it. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
).version

const print = (text: string): void => {
  process.stdout.write(text)
}

/** Runs the server until a signal ends it. Exits with 1 when it cannot start.
 *  @param argv  arguments without the names of node and script */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const options = parseArguments(argv)
    if (options.help) return print(helpText())
    if (options.version) return print(`kronotop ${VERSION}\n`)
    const { config, warnings } = loadConfig({
      sets: options.sets,
      environment: process.env,
      file: options.configFile,
    })
    if (options.checkConfig) return print('the configuration is valid\n')
    await run(config, warnings)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    process.stderr.write(`kronotop: ${reason}\n`)
    if (!(cause instanceof ConfigError) && process.env.KRONOTOP_LOG_LEVEL === 'debug') {
      process.stderr.write(`${cause instanceof Error ? cause.stack : ''}\n`)
    }
    process.exit(1)
  }
}

async function run(config: Config, warnings: readonly string[]): Promise<void> {
  const log = createLogger(config.log.level, print)
  for (const warning of warnings) log.warn(warning)
  const member = await Member.start(config, { version: VERSION, log })
  print(banner(config, member))
  let signals = 0
  const stop = (signal: NodeJS.Signals): void => {
    signals += 1
    if (signals === 1) void stopMember(member, signal)
    else if (signals === 2) hurryMember(member, signal)
    else process.exit(1)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function banner(config: Config, member: Member): string {
  const { clusterfile, apiversion } = config.foundationdb
  const store =
    clusterfile === undefined
      ? `embedded at ${config.store.path}`
      : `FoundationDB cluster ${clusterfile}`
  return [
    `Kronotop ${VERSION}`,
    `Runtime         Node.js ${process.versions.node}, process ${process.pid}`,
    `Cluster         ${config.cluster.name}`,
    `Member          ${member.memberId}`,
    `Store           ${store}, API version ${apiversion}`,
    `Clients         ${addressText(member.external)}`,
    `Administration  ${addressText(member.internal)}`,
    'Ready to accept connections',
    '',
  ].join('\n')
}

/** The second signal: clients are no longer waited for. The third one ends the process at once. */
function hurryMember(member: Member, signal: NodeJS.Signals): void {
  print(`${signal} received again, waiting for no client\n`)
  member.hurry()
}

async function stopMember(member: Member, signal: NodeJS.Signals): Promise<void> {
  print(`${signal} received, stopping\n`)
  const clean = await member.stop()
  print('Quit!\n')
  process.exit(clean ? 0 : 1)
}
