/** What VOLUME.ADMIN tells of a server's volumes, checked for sums that must hold. */
import * as assert from 'uvu/assert'
import type { Data } from './resp-client.js'
import type { TestServer } from './server.js'

export interface SegmentReport {
  readonly size: number
  readonly free_bytes: number
  readonly used_bytes: number
  readonly garbage_percentage: number
  readonly cardinality: number
}

export interface VolumeReport {
  readonly status: string
  readonly directory: string
  readonly segmentSize: number
  readonly segments: ReadonlyMap<number, SegmentReport>
  /** Sums over all segments. */
  readonly cardinality: number
  readonly usedBytes: number
}

const FIELDS = ['name', 'status', 'data_dir', 'segment_size', 'segments']
const PERCENT_TOLERANCE = 1e-9

/** Describes an open volume over a connection of its own. */
export async function describeVolume(server: TestServer, name: string): Promise<VolumeReport> {
  const admin = await server.connectAdmin()
  const volume = (await admin.call('VOLUME.ADMIN', 'DESCRIBE', name)) as Map<string, Data>
  admin.close()
  assert.equal([...volume.keys()], FIELDS)
  assert.is(volume.get('name'), name)
  const segmentSize = Number(volume.get('segment_size'))
  const segments = new Map<number, SegmentReport>()
  let [cardinality, usedBytes] = [0, 0]
  for (const [id, fields] of volume.get('segments') as Map<number, Map<string, Data>>) {
    const segment = Object.fromEntries(fields) as unknown as SegmentReport
    checkSegment(segment, segmentSize)
    segments.set(id, segment)
    cardinality += segment.cardinality
    usedBytes += segment.used_bytes
  }
  const directory = String(volume.get('data_dir'))
  return {
    status: String(volume.get('status')),
    directory,
    segmentSize,
    segments,
    cardinality,
    usedBytes,
  }
}

function checkSegment(segment: SegmentReport, segmentSize: number): void {
  const { size, free_bytes: free, used_bytes: used, garbage_percentage: percentage } = segment
  assert.is(size, segmentSize)
  const garbage = size - free - used
  assert.ok(garbage >= 0, `${used} used and ${free} free of ${size} bytes`)
  assert.ok(Math.abs(percentage - (garbage / size) * 100) < PERCENT_TOLERANCE)
}
