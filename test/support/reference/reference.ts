/** All reference pages, from the declarations and from what servers answer to their examples. */
import { allCommands } from '../../../ts/commands/index.js'
import type { Command } from '../../../ts/server/command.js'
import { SEED_STORE_ERRORS, STORE_ERRORS } from '../../../ts/store/store-error.js'
import { ExampleServers } from './examples.js'
import { anchorOf, type Example, leavesOf, MADE_BY, nameOf, pageOf, table, text } from './page.js'

/** Where the pages are, seen from the repository. */
export const REFERENCE_FOLDER = 'docs/commands'

/** Every page by its name in the folder. */
export async function makeReference(): Promise<Map<string, string>> {
  const commands = allCommands({ redis: true })
  const examples = await runExamples(commands)
  const pages = commands.map(one => [fileOf(one), pageOf(one, examples)] as const)
  return new Map([['README.md', indexPage(commands)], ...pages])
}

async function runExamples(commands: readonly Command[]): Promise<Map<Command, Example>> {
  const servers = new ExampleServers(commands)
  const examples = new Map<Command, Example>()
  try {
    for (const leaf of commands.flatMap(leavesOf)) {
      const [resp2, resp3] = await Promise.all([servers.run(leaf, 2), servers.run(leaf, 3)])
      examples.set(leaf, { resp2, resp3 })
    }
  } finally {
    await servers.dispose()
  }
  return examples
}

function fileOf(command: Command): string {
  return `${command.name.toLowerCase()}.md`
}

function indexPage(commands: readonly Command[]): string {
  const groups = new Set(commands.map(({ group }) => group))
  return text([
    MADE_BY,
    '',
    '# Commands',
    '',
    'One page a command. The examples are what a fresh member answers, shown as `redis-cli` shows',
    'it: ids, addresses, times and versions differ. Names, subcommands and option words may be',
    'typed in any case. `[…]` in a syntax line is optional, `a|b` a choice, a word in capitals is',
    'typed as it is.',
    '',
    ...[...groups].flatMap(group => [
      `## ${group}`,
      '',
      ...table(['command', ''], commands.filter(one => one.group === group).flatMap(indexRows)),
      '',
    ]),
    ...REPLIES,
    ...COMMON_ERRORS,
    ...databaseErrors(),
  ])
}

function indexRows(command: Command): [string, string][] {
  const file = fileOf(command)
  const row: [string, string] = [`[${nameOf(command)}](${file})`, command.summary]
  if (command.subcommands === undefined) return [row]
  const below = leavesOf(command).map((leaf): [string, string] => [
    `[${nameOf(leaf)}](${file}#${anchorOf(nameOf(leaf))})`,
    leaf.summary,
  ])
  return [row, ...below]
}

const REPLIES: readonly string[] = [
  '## Replies',
  '',
  ...table(
    ['written', 'RESP2', 'RESP3'],
    [
      ['`OK`, `status`', '`+`, a line', '`+`, a line'],
      ['`integer`', '`:`, 64 bits, signed', '`:`, 64 bits, signed'],
      ['`bulk`', '`$`, any bytes', '`$`, any bytes'],
      ['`nil`', '`$-1`', '`_`'],
      ['`nil array`', '`*-1`', ''],
      ['`double`', 'a `bulk` of the shortest decimal', '`,`'],
      ['`boolean`', 'an `integer`, 1 or 0', '`#t`, `#f`'],
      ['`[a, b]`, `[a …]`', '`*`, these items; any number', '`*`, these items; any number'],
      ['`{"x": a}`, `{a: b …}`', 'an array of keys and values in turn', '`%`, in this order'],
      ['`a | b`', 'one or the other', 'one or the other'],
      ['`any`', 'whatever the data is', 'whatever the data is'],
    ],
  ),
  '',
]

const COMMON_ERRORS: readonly string[] = [
  '## Errors of every command',
  '',
  'An error is one line, a prefix and a text. Before a command runs, these are looked for in this',
  'order:',
  '',
  ...table(
    ['error', 'when'],
    [
      ["`ERR unknown command 'NAME'`", 'this port has no such command'],
      ["`ERR wrong number of arguments for 'NAME' command`", 'too few words, or too many'],
      ['`NOAUTH Authentication required.`', 'the session has not logged in'],
      ['`ERR server is shutting down`', 'on the client port'],
      ['`ERR cluster has not been initialized yet`', 'nearly everything needs a cluster'],
      ['`CROSSSLOT`, `MOVED`, `ERR shard id: …`', 'keys of Redis data commands'],
    ],
  ),
  '',
  '`ERR internal error <id>` is a defect of the server, whose log has the rest under that id.',
  'After `ERR Protocol error: …` the connection is closed.',
  '',
]

function databaseErrors(): string[] {
  const rows = [...STORE_ERRORS].flatMap(([code, [prefix, message]]) => {
    const seed = SEED_STORE_ERRORS.get(code)
    const now = [`\`${prefix}\``, String(code), message]
    if (seed === undefined) return [now]
    return [
      [`\`${seed[0]}\``, String(code), seed[1]],
      [...now.slice(0, 2), `${message} (with \`compat.error_names=current\`)`],
    ]
  })
  return [
    '## Database errors',
    '',
    'Whatever reads or writes the database may answer one of these, with the code of FoundationDB.',
    'Outside of a transaction of the session a command is repeated by the server after 1007 and',
    '1020, 5 times at most. Within one the client repeats all of it: always after these two, after',
    '1021 only where doing it twice does no harm. A code that is not here is `ERR` with its text.',
    '',
    ...table(['prefix', 'code', 'text'], rows),
  ]
}
