import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyTurns } from '../../../ts/store/key-turns.js'

const a = Buffer.from('a')
const b = Buffer.from('b')

/** A body that ends when it is told to. */
function held(events: string[], name: string) {
  let end = (_failure?: Error): void => {}
  const body = (): Promise<string> => {
    events.push(`${name} starts`)
    return new Promise((resolve, reject) => {
      end = failure => (failure === undefined ? resolve(name) : reject(failure))
    })
  }
  return { body, end: (failure?: Error) => end(failure) }
}

test('runs what answers at once at once', () => {
  const turns = new KeyTurns()
  assert.is(
    turns.run(a, () => 1),
    1,
  )
  assert.throws(
    () =>
      turns.run(a, () => {
        throw new Error('mistake')
      }),
    /mistake/,
  )
  assert.is(turns.size, 0)
})

test('lets those of one key wait for each other, in their order, failed ones too', async () => {
  const turns = new KeyTurns()
  const events: string[] = []
  const [first, second, other] = ['first', 'second', 'other'].map(name => held(events, name))
  const results = [turns.run(a, first!.body), turns.run(a, second!.body)]
  const third = turns.run(a, () => 'third')
  const beside = turns.run(b, other!.body)
  assert.equal(events, ['first starts', 'other starts'])
  assert.is(turns.size, 2)
  first!.end(new Error('conflict'))
  const failed = await Promise.resolve(results[0]).catch(String)
  assert.is(failed, 'Error: conflict')
  assert.equal(events, ['first starts', 'other starts', 'second starts'])
  second!.end()
  other!.end()
  assert.equal(await Promise.all([results[1], third, beside]), ['second', 'third', 'other'])
  await new Promise(setImmediate)
  assert.is(turns.size, 0)
})

test.run()
