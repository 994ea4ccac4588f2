/** Something that the person at the terminal has to put right; the message is one line. */
export class LaunchError extends Error {}
