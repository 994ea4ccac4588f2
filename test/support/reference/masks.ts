/** What no two runs of an example have in common, and what the pages show in its place. */

interface Mask {
  /** Requests whose replies may hold it; all unless given. */
  readonly request?: RegExp
  readonly volatile: RegExp
  readonly shown: string
}

/** Behind the name of a field, in either protocol. */
const field = (name: string, sign = ''): RegExp =>
  new RegExp(`("${name}"(?: =>|\\n *\\d+\\)) \\(integer\\)) ${sign}\\d+`, 'g')

const MASKS: readonly Mask[] = [
  // Members, and the processes they run in.
  { volatile: /\b[0-9a-f]{40}\b/g, shown: 'a0dc14d811a285834c187ddc20549de7c1c1a381' },
  { volatile: /\b[0-9A-V]{20}xxxx\b/g, shown: '00361PNGCJVIU0000000xxxx' },
  { volatile: field('latest_heartbeat'), shown: '$1 42' },
  { request: /^CLUSTER NODES/i, volatile: /@\d+,/g, shown: '@3320,' },
  // Indexes.
  {
    request: /^BUCKET\.INDEX DESCRIBE/i,
    volatile: field('id', '-?'),
    shown: '$1 4907285139128650754',
  },
  { request: /^BUCKET\.LOCATE/i, volatile: /"[^"]+:\d+"/g, shown: '"127.0.0.1:5484"' },
  // Sessions.
  { request: /^HELLO/i, volatile: field('id'), shown: '$1 7' },
  { request: /^CLIENT ID/i, volatile: /\d+/, shown: '7' },
  {
    request: /^CLIENT (?:INFO|LIST)/i,
    volatile: /\bid=\d+ addr=\S+/g,
    shown: 'id=7 addr=127.0.0.1:41234',
  },
  { request: /^CLIENT (?:INFO|LIST)/i, volatile: /\b(age|idle)=\d+/g, shown: '$1=0' },
  // Times and versions.
  { request: /^TIME/i, volatile: /"\d{10}"/, shown: '"1767225600"' },
  { request: /^TIME/i, volatile: /"\d{1,6}"/, shown: '"250000"' },
  {
    request: /^(?:TICK|GETREADVERSION|COMMIT RETURNING committed-version)/i,
    volatile: /(\(integer\)) \d+/,
    shown: '$1 31415926535',
  },
  {
    request: /^COMMIT RETURNING versionstamp/i,
    volatile: /^".*"$/,
    shown: '"\\x00\\x00\\x00\\aP\\x8e\\x18w\\x00\\x00"',
  },
]

/** A reply, as `redis-cli` shows it, with every volatile value replaced. */
export function maskedReply(request: string, reply: string): string {
  return MASKS.filter(mask => mask.request === undefined || mask.request.test(request)).reduce(
    (masked, { volatile, shown }) => masked.replace(volatile, shown),
    reply,
  )
}
