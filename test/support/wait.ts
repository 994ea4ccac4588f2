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
