/** The reference page of a command, in Markdown. */
import { type ArgumentForm, formsOf } from '../../../ts/commands/connection/argument-forms.js'
import { ERROR_PREFIXES } from '../../../ts/error.js'
import type { Command, ParamType } from '../../../ts/server/command.js'
import { SEED_STORE_ERRORS, STORE_ERRORS } from '../../../ts/store/store-error.js'
import type { Exchange, Transcript } from './examples.js'
import { notation } from './notation.js'

export const MADE_BY = '<!-- Made by `npm run docs` from the declarations in ts/commands. -->'

const PORTS = {
  client: 'client (5484)',
  admin: 'admin (3320)',
  both: 'client (5484) and admin (3320)',
} as const

const TYPES: Readonly<Record<ParamType, string>> = {
  key: 'key',
  string: 'string',
  integer: 'integer',
  double: 'double',
  'pure-token': 'word',
  oneof: 'one of the words',
}

/** Database error -> its text. */
const DATABASE_ERRORS: ReadonlyMap<string, string> = new Map([
  ...STORE_ERRORS.values(),
  ...SEED_STORE_ERRORS.values(),
])

/** The example of a command, as it ran in both protocols. */
export interface Example {
  readonly resp2: Transcript
  readonly resp3: Transcript
}

export type Examples = ReadonlyMap<Command, Example>

/** Commands that run: itself, or what is below it. */
export function leavesOf(command: Command): Command[] {
  if (command.subcommands === undefined) return [command]
  return [...command.subcommands.values()].flatMap(leavesOf)
}

export function pageOf(command: Command, examples: Examples): string {
  const title = [MADE_BY, '', `# ${nameOf(command)}`, '']
  if (command.subcommands === undefined) {
    return text([...title, ...section(command, examples.get(command)!, '##')])
  }
  const leaves = leavesOf(command)
  // A command that runs without a subcommand runs one of them.
  const bare = leaves.find(({ run }) => run === command.run)
  return text([
    ...title,
    command.summary,
    '',
    ...(bare ? [`Without a subcommand it is ${linkTo(bare)}.`, ''] : []),
    ...leaves.map(leaf => `- ${linkTo(leaf)}: ${leaf.summary}`),
    '',
    ...leaves.flatMap(leaf => [
      `## ${nameOf(leaf)}`,
      '',
      ...section(leaf, examples.get(leaf)!, '###'),
    ]),
  ])
}

export function nameOf(command: Command): string {
  return command.path.join(' ')
}

/** The anchor of a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

function linkTo(leaf: Command): string {
  return `[${nameOf(leaf)}](#${anchorOf(nameOf(leaf))})`
}

/** Lines as a file: one empty line between paragraphs, one line end at the end. */
export function text(lines: readonly string[]): string {
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`
}

function section(command: Command, example: Example, heading: '##' | '###'): string[] {
  return [
    command.summary,
    '',
    '```',
    command.syntax.trimEnd(),
    '```',
    '',
    ...facts(command),
    ...argumentTable(command, heading),
    `${heading} Reply`,
    '',
    ...reply(command),
    '',
    `${heading} Errors`,
    '',
    ...errors(command),
    ...(command.notes.length > 0 ? [`${heading} Notes`, ''] : []),
    ...command.notes.map(note => `- ${note}`),
    '',
    `${heading} Example`,
    '',
    ...exampleBlocks(example),
    '',
  ]
}

function facts(command: Command): string[] {
  const { since, complexity = '', port, isWrite, isBlocking, flags } = command
  const needs = [
    ...(command.beforeLogin ? [] : ['login, where it is configured']),
    ...(command.beforeInitialization ? [] : ['an initialised cluster']),
  ]
  const effects = [
    ...(isWrite ? ['writes'] : []),
    ...(flags.has('readonly') ? ['reads'] : []),
    ...(isBlocking ? ['blocks its connection until it answers'] : []),
  ]
  const rows: readonly (readonly [string, string])[] = [
    ['since', since],
    ['complexity', complexity],
    ['port', PORTS[port]],
    ['needs', needs.join('; ') || 'nothing'],
    ['effect', effects.join('; ')],
  ]
  const given = rows.filter(([, value]) => value !== '')
  return [...table(['', ''], given), '']
}

function argumentTable({ params }: Command, heading: string): string[] {
  const forms = params.flatMap(formsOf)
  if (forms.length === 0) return []
  const rows = forms.map(form => {
    const shown = form.type === 'pure-token' ? (form.token ?? form.name) : form.name
    return [`\`${shown}\``, TYPES[form.type], details(form)]
  })
  return [`${heading} Arguments`, '', ...table(['argument', 'type', ''], rows), '']
}

function details({ name, type, token, words, isOptional, isMultiple }: ArgumentForm): string {
  const isNamedByWords = words === undefined || words.join('|') === name
  return [
    ...(isNamedByWords ? [] : [words.map(word => `\`${word}\``).join(', ')]),
    ...(token !== undefined && type !== 'pure-token' ? [`after \`${token}\``] : []),
    ...(isOptional ? ['optional'] : []),
    ...(isMultiple ? ['any number'] : []),
  ].join('; ')
}

function reply({ reply: shape }: Command): string[] {
  const [resp2, resp3] = [notation(shape, 2), notation(shape, 3)]
  if (resp2 === resp3) return [`\`${resp2}\` in both protocols.`]
  return table(
    ['protocol', 'reply'],
    [
      ['RESP2', `\`${resp2}\``],
      ['RESP3', `\`${resp3}\``],
    ],
  )
}

function errors(command: Command): string[] {
  const prefixes = ['ERR', ...command.errors.filter(prefix => prefix !== 'ERR')]
  const rows = prefixes.map(prefix => [`\`${prefix}\``, meaningOf(prefix)])
  const others = [
    '[those of every command](README.md#errors-of-every-command)',
    ...(command.isSync ? [] : ['[database errors](README.md#database-errors)']),
  ]
  return [...table(['prefix', 'meaning'], rows), '', `Besides: ${others.join(', ')}.`, '']
}

function meaningOf(prefix: string): string {
  const own: string | undefined = (ERROR_PREFIXES as Readonly<Record<string, string>>)[prefix]
  const meaning = own ?? DATABASE_ERRORS.get(prefix)
  if (meaning === undefined) throw new Error(`no meaning of the error ${prefix}`)
  return meaning
}

function exampleBlocks({ resp2, resp3 }: Example): string[] {
  if (JSON.stringify(resp2) === JSON.stringify(resp3)) return transcript(resp2)
  return ['In RESP2:', '', ...transcript(resp2), '', 'In RESP3:', '', ...transcript(resp3)]
}

function transcript({ exchanges, meanwhile }: Transcript): string[] {
  const first = block(exchanges)
  if (meanwhile.length === 0) return first
  return [...first, '', 'The last reply came after, in another session:', '', ...block(meanwhile)]
}

function block(exchanges: readonly Exchange[]): string[] {
  const lines = exchanges.map(
    ({ prompt, request, reply: shown }) => `${prompt}${request}\n${shown}`,
  )
  return ['```console', ...lines, '```']
}

/** A Markdown table; a bar within a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)]
}
