/**
 * `npm run load`: loads a file with one JSON document a line into a bucket. It can be interrupted
 * at any time, by a crash of either side too, and goes on when it is run again.
 */
import { LoadError } from './load/error.js'
import { load } from './load/loader.js'
import { parseOptions, USAGE } from './load/options.js'

/** @returns exit code: 0 when the whole file is loaded, 1 otherwise */
export async function main(argv: readonly string[]): Promise<number> {
  const stopping = new AbortController()
  const interrupted = () => stopping.abort(new LoadError('interrupted; the same command goes on'))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    // npm changes the directory to that of the package and leaves the caller's in this variable.
    const options = parseOptions(argv, process.env.INIT_CWD ?? process.cwd())
    if (options === undefined) {
      console.log(USAGE)
      return 0
    }
    const { counts, seconds, documents } = await load(options, stopping.signal)
    const { inserted, present, skipped } = counts
    const rate = Math.round(documents / Math.max(0.001, seconds))
    console.log(
      `loaded ${options.bucket}: ${inserted} inserted, ${present} already there, ` +
        `${skipped} skipped, ${seconds.toFixed(1)} s, ${rate} documents/s`,
    )
    return 0
  } catch (error) {
    if (!(error instanceof LoadError)) throw error
    console.error(`load: ${error.message}`)
    return 1
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
  }
}
