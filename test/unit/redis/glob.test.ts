import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { glob } from '../../../ts/redis/glob.js'

/** Pattern, texts that match, texts that do not. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['', [''], ['a']],
  ['*', ['', 'abc'], []],
  ['a*c', ['ac', 'abc', 'abcc'], ['a', 'acb', 'bac']],
  ['*a*b*', ['ab', 'xaxbx', 'aab'], ['ba', 'a']],
  ['h?llo', ['hello', 'hallo'], ['hllo', 'heello']],
  ['h[ae]llo', ['hello', 'hallo'], ['hillo', 'h[ae]llo']],
  ['h[^e]llo', ['hallo'], ['hello', 'hllo']],
  ['[a-c]1', ['a1', 'b1', 'c1'], ['d1', '-1']],
  ['[c-a]', ['a', 'b', 'c'], ['d']],
  ['[a-]', ['a', '^', ']'], ['-', 'b', 'a]']],
  ['[a-]x]', ['a', ']', 'x'], ['-', 'ax]']],
  ['[a-\\]b', ['ab', '\\b', ']b'], ['-b', 'bb']],
  ['[a-a-c]', ['a', '-', 'c'], ['b']],
  ['[-a]', ['-', 'a'], ['b']],
  ['[^a-c]', ['d', '-', '\xff'], ['a', 'b', '']],
  ['[^]', ['a', '^'], ['', 'ab']],
  ['[^', ['a', '^'], ['']],
  ['[', [], ['[', '']],
  ['[\\', ['\\'], ['[', '']],
  ['[a^]', ['a', '^'], ['b']],
  ['[]a]', [], ['a', ']', 'a]']],
  ['a[bc', ['ab', 'ac'], ['a', 'abc']],
  ['**', ['', 'a'], []],
  ['*?', ['a', 'ab'], ['']],
  ['?*?', ['ab', 'abc'], ['', 'a']],
  ['\\[a]', ['[a]'], ['a']],
  ['[\x80-\xff]', ['\x80', '\xff'], ['\x7f', '\x80\x80']],
  ['a\0*', ['a\0', 'a\0b'], ['a', 'ab']],
  ['[\\]x]', [']', 'x'], ['\\']],
  ['[a\\-c]', ['a', '-', 'c'], ['b']],
  ['[ab', ['a', 'b'], ['[ab', 'ab']],
  ['[]', [], ['', '[]', 'a']],
  ['\\*', ['*'], ['\\*', 'a']],
  ['a\\', ['a\\'], ['a']],
  ['\xff?', ['\xff\0'], ['\xff']],
]

test('matches as Redis does', () => {
  for (const [pattern, matching, others] of CASES) {
    const matches = glob(pattern)
    for (const text of matching) assert.is(matches(text), true, `${pattern} takes ${text}`)
    for (const text of others) assert.is(matches(text), false, `${pattern} refuses ${text}`)
  }
})

test('takes no more than the product of both lengths', () => {
  const matches = glob(`${'*a'.repeat(2_000)}b`)
  assert.is(matches('a'.repeat(5_000)), false)
})

test.run()
