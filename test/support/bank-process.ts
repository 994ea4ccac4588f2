/**
 * A process that shares a store with others and moves money between its accounts: arguments are
 * the store's directory and the process's name. Talks in lines: commands on stdin, events on
 * stdout (`BankEvent`). Every transfer leaves a record, so that one whose outcome was unknown is
 * not made twice.
 */
import { createInterface } from 'node:readline'
import type { Transaction } from 'foundationdb'
import { loadFoundationDb, nativePath } from '../../ts/native.js'
import { ACCOUNTS, type BankEvent, INITIAL_BALANCE, type Transfer } from './bank.js'
import { Random } from './random.js'

/** Transfers on their way at a time. */
const CONCURRENCY = 4

type Tn = Transaction<string, string, string, string>

const [directory = '', name = '', seed = ''] = process.argv.slice(2)

class FdbError extends Error {
  constructor(
    description: string,
    readonly code: number,
  ) {
    super(description)
  }
}

const { client, fdb } = loadFoundationDb(FdbError)
client.loadLibrary(nativePath('libfdb_c.so'))
fdb.setAPIVersion(720)
const db = fdb
  .open(directory)
  .withKeyEncoding(fdb.encoders.string)
  .withValueEncoding(fdb.encoders.string)
const random = new Random(Number(seed))

function say(event: BankEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

const account = (number: number): string => `account/${String(number).padStart(3, '0')}`

async function balance(tn: Tn, number: number): Promise<number> {
  return Number((await tn.get(account(number))) ?? INITIAL_BALANCE)
}

async function transfer(number: number): Promise<void> {
  const [from, to] = [random.between(0, ACCOUNTS - 1), random.between(0, ACCOUNTS - 1)]
  const amount = random.between(1, 50)
  const record = `record/${name}/${String(number).padStart(8, '0')}`
  await db.doTn(async tn => {
    if ((await tn.get(record)) !== undefined) return
    const available = await balance(tn, from)
    if (from !== to) {
      const target = await balance(tn, to)
      tn.set(account(from), String(available - amount))
      tn.set(account(to), String(target + amount))
    }
    tn.set(record, JSON.stringify({ from, to, amount } satisfies Transfer))
  })
  say({ kind: 'transferred', record })
}

let next = 0

async function work(): Promise<never> {
  for (;;) await transfer(++next)
}

/** Says when the value of a key has changed, or why the watch ended otherwise. */
async function watch(key: string): Promise<void> {
  const watched = await db.doTn(async tn => tn.watch(key))
  say({ kind: 'watching', key })
  const fired = await watched.promise
  say({ kind: 'fired', key, fired })
}

/** All that there is, at one version. */
async function audit(): Promise<void> {
  await db.doTn(async tn => {
    const pairs = async (prefix: string): Promise<[string, string][]> => {
      const found: [string, string][] = []
      for await (const batch of tn.getRangeBatch(prefix, `${prefix}~`)) {
        for (const [key, value] of batch) found.push([String(key), String(value)])
      }
      return found
    }
    const [accounts, records] = [await pairs('account/'), await pairs('record/')]
    say({ kind: 'audited', accounts, records })
  })
}

const commands: Record<string, (argument: string) => Promise<void>> = {
  watch,
  touch: key => db.set(key, name),
  audit,
}

createInterface({ input: process.stdin }).on('line', line => {
  const [command = '', argument = ''] = line.split(' ')
  void commands[command]?.(argument)
})

say({ kind: 'ready' })
for (let i = 0; i < CONCURRENCY; i++) void work()
