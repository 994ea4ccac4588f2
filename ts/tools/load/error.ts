/** Why a load ended early; the message is one line for the person who started it. */
export class LoadError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LoadError'
  }
}
