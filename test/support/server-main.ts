/**
 * The process of a server under test: the server's own `main`, with the arguments as they are.
 * `KRONOTOP_TEST_FAULTS` gives its store faults from the opening on.
 */
import { main } from '../../ts/main.js'
import { Store } from '../../ts/store/store.js'
import { setFaults } from './faults.js'
import { takeOrders } from './server-orders.js'

const faults = process.env.KRONOTOP_TEST_FAULTS
if (faults !== undefined) {
  const open = Store.open.bind(Store)
  Store.open = async (config, log) => {
    const store = await open(config, log)
    setFaults(store, JSON.parse(faults))
    return store
  }
}

takeOrders()
await main(process.argv.slice(2))
