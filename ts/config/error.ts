/** A setting, a configuration file or the command line is wrong; the message is one line for the
 *  operator. The process prints it and ends with code 1. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}
