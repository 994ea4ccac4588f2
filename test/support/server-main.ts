/** The process of a server under test: the server's own `main`, with the arguments as they are. */
import { main } from '../../ts/main.js'

await main(process.argv.slice(2))
