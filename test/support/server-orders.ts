/** What a server under test does for its test, without a client: one order at a time. */
import { closeSync, openSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Each order with its argument and its result. */
export interface Orders {
  /** Collects garbage. @returns what is left, in bytes */
  collect: [argument: undefined, result: { heapBytes: number; externalBytes: number }]
  /** Has so many files open besides its own, as a store with many segments would. */
  'hold files': [count: number, result: number]
}

type Handlers = { readonly [K in keyof Orders]: (argument: Orders[K][0]) => Orders[K][1] }

const held: number[] = []

const HANDLERS: Handlers = {
  collect: () => {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
    const { heapUsed, external } = process.memoryUsage()
    return { heapBytes: heapUsed, externalBytes: external }
  },
  'hold files': count => {
    while (held.length < count) held.push(openSync('/dev/null', 'r'))
    for (const file of held.splice(count)) closeSync(file)
    return held.length
  },
}

interface Order<K extends keyof Orders> {
  readonly name: K
  readonly argument: Orders[K][0]
}

/** Takes the orders of the process that started this one, if it gives any. */
export function takeOrders(): void {
  if (process.send === undefined) return
  process.on('message', <K extends keyof Orders>({ name, argument }: Order<K>) => {
    process.send?.({ result: HANDLERS[name](argument) })
  })
  // Orders alone keep no server alive.
  process.channel?.unref()
}
