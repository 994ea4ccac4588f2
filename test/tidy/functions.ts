/**
 * Finds functions by the layout that the formatters give: a function's last line closes at the
 * indentation of the line that opens it.
 */

/** A function with its length, both ends included. */
export interface FunctionSpan {
  readonly line: number
  readonly length: number
}

const CONTROL =
  /^\s*(\} )?(if|else|for|while|switch|try|catch|finally|do|case|class|interface|enum)\b/

const OPENS_TYPESCRIPT = /\bfunction\b.*\{$|=> \{$/

const OPENS_METHOD =
  /^\s*((static|private|protected|public|async|override|get|set) )*\*?[\w#$]+(<.*>)?\(.*\{$/

const OPENS_RUST = /^\s*(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern "C" )*fn \w/

/** Functions of a TypeScript or JavaScript file, nested ones too. */
export function typescriptFunctions(lines: readonly string[]): FunctionSpan[] {
  return lines.flatMap((line, index) => {
    if (!line.endsWith('{')) return []
    const header = headerOf(lines, index)
    const whole = header === index ? line : `${lines[header]}${line.trim()}`
    if (CONTROL.test(whole)) return []
    if (!OPENS_TYPESCRIPT.test(whole) && !OPENS_METHOD.test(whole)) return []
    return span(lines, header, index)
  })
}

/** Functions of a Rust file. */
export function rustFunctions(lines: readonly string[]): FunctionSpan[] {
  return lines.flatMap((line, header) => {
    if (!OPENS_RUST.test(line)) return []
    const opening = lines.findIndex((other, at) => at >= header && /[{;]$/.test(other))
    return lines[opening]?.endsWith('{') === true ? span(lines, header, opening) : []
  })
}

/** The line on which a signature over several lines begins. */
function headerOf(lines: readonly string[], index: number): number {
  const line = lines[index] ?? ''
  if (!line.trimStart().startsWith(')')) return index
  let header = index - 1
  while (header > 0 && indentation(lines[header]) !== indentation(line)) header--
  return header
}

function span(lines: readonly string[], header: number, opening: number): FunctionSpan[] {
  const indent = indentation(lines[header])
  const end = lines.findIndex(
    (line, at) => at > opening && line.startsWith('}', indent) && indentation(line) === indent,
  )
  return end < 0 ? [] : [{ line: header + 1, length: end - header + 1 }]
}

function indentation(line: string | undefined): number {
  if (line === undefined || line.trim() === '') return -1
  return line.length - line.trimStart().length
}
