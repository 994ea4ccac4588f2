import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Teardown } from '../../ts/teardown.js'

const log = pino({ level: 'silent' })

test('steps run once, last added first, each after the one before', async () => {
  const teardown = new Teardown(log)
  const done: string[] = []
  teardown.add('first', () => done.push('first'))
  teardown.add('second', async () => {
    await new Promise(resolve => setTimeout(resolve, 5))
    done.push('second')
  })
  assert.ok(await teardown.run())
  assert.ok(await teardown.run())
  assert.equal(done, ['second', 'first'])
})

test('a step that fails does not keep back the others, and is told', async () => {
  const messages: string[] = []
  const write = (line: string) => messages.push((JSON.parse(line) as { msg: string }).msg)
  const teardown = new Teardown(pino({}, { write }))
  const done: string[] = []
  teardown.add('store', () => done.push('store'))
  teardown.add('port', () => Promise.reject(new Error('broken')))
  teardown.add('redis', () => {
    throw new Error('broken')
  })
  assert.not(await teardown.run())
  assert.equal(done, ['store'])
  assert.equal(messages, ['stopping: redis failed', 'stopping: port failed'])
})

test.run()
