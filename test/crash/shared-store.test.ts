/**
 * Three processes share a store and move money in it; the one that owns the store is killed again
 * and again. The sum stays, no acknowledged transfer is lost, and watches outlive the owner.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ACCOUNTS,
  type BankEvent,
  BankProcess,
  INITIAL_BALANCE,
  type Transfer,
} from '../support/bank.js'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'

const test = suite('a store shared by processes')

/** Transfers that every process makes between two kills. */
const TRANSFERS = 20

/** The id of the process that owns the store. */
function ownerPid(directory: string): number {
  return Number(readFileSync(join(directory, 'lock'), 'utf8'))
}

/** The records explain the balances, and no acknowledged transfer is missing. */
function check(audit: Extract<BankEvent, { kind: 'audited' }>, acknowledged: string[]): void {
  const balances = new Array<number>(ACCOUNTS).fill(INITIAL_BALANCE)
  const records = new Map(audit.records)
  for (const text of records.values()) {
    const { from, to, amount }: Transfer = JSON.parse(text)
    balances[from] = (balances[from] ?? 0) - amount
    balances[to] = (balances[to] ?? 0) + amount
  }
  for (const [key, balance] of audit.accounts) {
    assert.is(Number(balance), balances[Number(key.slice('account/'.length))], key)
  }
  for (const record of acknowledged) assert.ok(records.has(record), `${record} is lost`)
}

/** The processes of a test, of which there are always three. */
class Bank {
  readonly directory = mkdtempSync(join(tmpdir(), 'kronotop-bank-'))
  readonly processes: BankProcess[] = []
  /** Records of the processes that are gone. */
  readonly settled: string[] = []
  #started = 0

  constructor(readonly random: Random) {}

  async fill(): Promise<void> {
    while (this.processes.length < 3) {
      const name = `p${++this.#started}`
      const started = new BankProcess(this.directory, name, this.random.between(0, 2 ** 31 - 1))
      this.processes.push(started)
      await started.hears('ready')
    }
  }

  async killOwner(): Promise<void> {
    const owner = ownerPid(this.directory)
    const at = this.processes.findIndex(({ pid }) => pid === owner)
    assert.ok(at >= 0, `no process has the id ${owner}`)
    const [killed] = this.processes.splice(at, 1)
    await killed?.kill()
    this.settled.push(...(killed?.transferred ?? []))
  }

  /** What all were told is committed. */
  acknowledged(): string[] {
    return [...this.settled, ...this.processes.flatMap(({ transferred }) => transferred)]
  }

  async audit(by: BankProcess): Promise<void> {
    const acknowledged = this.acknowledged()
    const audited = by.hears('audited')
    by.tell('audit')
    check(await audited, acknowledged)
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map(process => process.kill()))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Has every process watch a key of its own. */
async function setWatches(bank: Bank, round: number): Promise<void> {
  await Promise.all(
    bank.processes.map(async process => {
      const set = process.hears('watching')
      process.tell(`watch watched/${process.name}/${round}`)
      await set
    }),
  )
}

/** Each process writes the key that another one watches. */
async function fireWatches(bank: Bank, round: number): Promise<void> {
  await Promise.all(
    bank.processes.map(async (watcher, at) => {
      const key = `watched/${watcher.name}/${round}`
      const fired = watcher.hears('fired', event => event.key === key)
      bank.processes[(at + 1) % bank.processes.length]?.tell(`touch ${key}`)
      assert.is((await fired).fired, true)
    }),
  )
}

test('the owner is killed under load', async () => {
  const first = seed()
  const random = new Random(first)
  const bank = new Bank(random)
  try {
    for (let round = 1; round <= rounds('kill the owner of a store'); round++) {
      await bank.fill()
      await setWatches(bank, round)
      await Promise.all(bank.processes.map(process => process.transfers(TRANSFERS)))
      // Anywhere in a commit, an apply or a reader's page.
      await sleep(random.between(0, 30))
      await bank.killOwner()
      await Promise.all(bank.processes.map(process => process.transfers(TRANSFERS)))
      await fireWatches(bank, round)
      const [auditor] = bank.processes
      if (auditor !== undefined) await bank.audit(auditor)
    }
  } catch (error) {
    throw new Error(`SEED=${first}: ${error}`, { cause: error })
  } finally {
    await bank.close()
  }
})

test.run()
