/** Administrative commands. */

import { krAdmin } from './kr-admin.js'
import { volumeAdmin } from './volume-admin.js'

export const adminCommands = [krAdmin, volumeAdmin]
