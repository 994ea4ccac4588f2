/**
 * First module of the server's process: asks for a graceful stop when the launcher is gone, then
 * runs the server's `main`.
 */
import { pathToFileURL } from 'node:url'

const [path, ...argv] = process.argv.slice(2)

process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
// The channel alone must not keep the process alive.
process.channel?.unref()

const { main } = await import(pathToFileURL(path).href)
await main(argv)
