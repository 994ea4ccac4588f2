import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stampText } from '../../../ts/store/stamp-text.js'
import { property } from '../../support/budget.js'

test('the text of a stamp is 24 characters, padded', () => {
  assert.is(stampText(Buffer.alloc(12)), `${'0'.repeat(20)}xxxx`)
  assert.is(stampText(Buffer.alloc(12, 0xff)), `${'V'.repeat(19)}Gxxxx`)
  assert.is(stampText(Buffer.from('000000000001000000000000', 'hex')), '00000000040000000000xxxx')
})

test('texts sort as their stamps do', () => {
  const stamps = fc.uint8Array({ minLength: 12, maxLength: 12 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(stamps, stamps, (left, right) => {
      const [a, b] = [stampText(left), stampText(right)]
      assert.is(Math.sign(Buffer.compare(left, right)), a < b ? -1 : Number(a > b))
    }),
    property('process ids'),
  )
})

test.run()
