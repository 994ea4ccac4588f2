/** Commands about the connection and its session, on both ports. */
import type { Command } from '../../server/command.js'
import { client } from './client.js'
import { commandCommand } from './command.js'
import { config } from './config.js'
import { hello } from './hello.js'
import { info } from './info.js'
import { echo, ping, quit, reset, select, time } from './liveness.js'
import { auth } from './login.js'
import { sessionAttribute, sessionClose } from './session.js'

export const connectionCommands: readonly Command[] = [
  ping,
  echo,
  time,
  hello,
  auth,
  quit,
  reset,
  select,
  client,
  commandCommand,
  config,
  info,
  sessionAttribute,
  sessionClose,
]
