/** Waiting for something that other processes do. */
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20
const LIMIT_MS = 10_000

/** Resolves once `condition` holds.
 *  @param what  completes "timed out waiting until …"
 *  @throws      Error after 10 s */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`)
    await sleep(POLL_MS)
  }
}

/** What a promise resolves to that, like a watch's, does not keep the process alive by itself.
 *  @throws Error after 10 s */
export async function kept<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out waiting for a promise')), LIMIT_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves once no process has this id. */
export function isGone(pid: number): Promise<void> {
  return until(`process ${pid} is gone`, () => {
    try {
      process.kill(pid, 0)
      return false
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH'
    }
  })
}
