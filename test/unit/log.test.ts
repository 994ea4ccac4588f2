import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createLogger } from '../../ts/log.js'

const HEAD = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[`

function logged(level: string, write: (log: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = []
  write(createLogger(level, line => lines.push(line)))
  return lines
}

test('a record is one line with time, level, process and fields', () => {
  const [line] = logged('INFO', log => log.info({ volume: 'v', segment: 3 }, 'segment created'))
  const origin = String.raw`INFO\] \[${process.pid}\] \[kronotop\]`
  const rest = String.raw`${origin}: segment created volume=v segment=3\n$`
  assert.match(line!, new RegExp(HEAD + rest))
})

test('an error is followed by its stack', () => {
  const [line] = logged('info', log => log.error({ err: new Error('broken') }, 'it failed'))
  assert.match(line!, new RegExp(`${HEAD}ERROR\\] .*: it failed\nError: broken\n +at `))
})

test('records below the level are left out', () => {
  const lines = logged('warn', log => {
    log.info('quiet')
    log.warn('loud')
  })
  assert.is(lines.length, 1)
  assert.match(lines[0]!, /loud/)
})

test.run()
