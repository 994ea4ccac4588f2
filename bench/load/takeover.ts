/**
 * How long three processes that share a store are without it when its owner is killed: from the
 * SIGKILL until every survivor has committed again, under a bank's load. Goal: under 1 s.
 * Run: node dist/bench/load/takeover.js [--smoke]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BankProcess } from '../../test/support/bank.js'

/** Transfers that a survivor had sent before the kill may be answered after it; not so many. */
const TRANSFERS = 10

const rounds = process.argv.includes('--smoke') ? 1 : 30
const directory = await mkdtemp(join(tmpdir(), 'kronotop-bench-'))
let processes: BankProcess[] = []

async function fill(): Promise<void> {
  while (processes.length < 3) {
    const started = new BankProcess(directory, `b${process.hrtime.bigint()}`, processes.length)
    processes.push(started)
    await started.hears('ready')
  }
}

/** @returns ms until both survivors have committed again */
async function timeTakeover(): Promise<number> {
  await fill()
  await Promise.all(processes.map(bank => bank.transfers(100)))
  const owner = Number(await readFile(join(directory, 'lock'), 'utf8'))
  const killed = processes.find(({ pid }) => pid === owner)
  processes = processes.filter(bank => bank !== killed)
  const startedAt = performance.now()
  const back = Promise.all(processes.map(bank => bank.transfers(TRANSFERS)))
  await killed?.kill()
  await back
  return performance.now() - startedAt
}

try {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push(await timeTakeover())
  times.sort((a, b) => a - b)
  const [median, longest] = [times[Math.floor(times.length / 2)] ?? Number.NaN, times.at(-1)]
  console.log(
    `take-over: median ${median.toFixed(0)} ms, longest ${longest?.toFixed(0)} ms of ` +
      `${times.length} (goal: under 1000)`,
  )
} finally {
  await Promise.all(processes.map(bank => bank.kill()))
  await rm(directory, { recursive: true, force: true })
}
