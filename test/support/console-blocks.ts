/**
 * Console blocks of a Markdown page: what was typed at a prompt, and what was answered.
 *
 *     $ npm start                     a shell command
 *     127.0.0.1:5484> PING            a command for `redis-cli` on that port
 *     PONG                            the answer, up to the next prompt
 */

export interface Step {
  /** The port in a prompt of `redis-cli`; undefined at a shell's. */
  readonly port: number | undefined
  readonly command: string
  /** Lines joined by LF, without one at the end. */
  readonly answer: string
}

const BLOCK = /^```console\n(.*?)^```$/gms
const PROMPT = /^(?:\$|127\.0\.0\.1:(\d+)>) (.+)$/

/** The steps of all console blocks of a page, in order. */
export function consoleSteps(markdown: string): Step[] {
  return [...markdown.matchAll(BLOCK)].flatMap(match => stepsOf(match[1] ?? ''))
}

function stepsOf(block: string): Step[] {
  const steps: { port: number | undefined; command: string; lines: string[] }[] = []
  for (const line of block.split('\n').slice(0, -1)) {
    const prompt = PROMPT.exec(line)
    if (prompt !== null) {
      const port = prompt[1] === undefined ? undefined : Number(prompt[1])
      steps.push({ port, command: prompt[2] ?? '', lines: [] })
    } else {
      const last = steps.at(-1)
      if (last === undefined) throw new Error(`a console block begins without a prompt: ${line}`)
      last.lines.push(line)
    }
  }
  return steps.map(({ port, command, lines }) => ({ port, command, answer: lines.join('\n') }))
}
