/** Namespaces: the logical databases of a cluster. */
import type { Command } from '../../server/command.js'
import { namespace } from './namespace.js'

export const namespaceCommands: readonly Command[] = [namespace]
