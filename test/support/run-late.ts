/** Runs the tests of a file once more, over a store that gives every answer late. */
import { suite } from 'uvu'
import { isOnCluster } from './cluster.js'
import { reportSkip } from './outcome.js'

/** @param file  URL of the compiled test file, which nothing else in this process imports */
export async function runLate(file: URL): Promise<void> {
  if (isOnCluster) {
    reportSkip(`late answers (${file.pathname.split('/').at(-1)})`, 'a cluster has no fault mode')
    return suite('late answers').run()
  }
  process.env.KRONOTOP_TEST_LATE = '1'
  await import(file.href)
}
