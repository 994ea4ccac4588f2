/**
 * Reply types as the reference pages write them, in RESP2 or RESP3:
 *
 *   OK  status  integer  bulk  double  boolean  nil      single values
 *   [a, b]   [a …]                                       arrays: these items, any number of items
 *   {"x": a, "y": b}   {a: b …}                          maps: these fields, any number of fields
 *   a | b                                                one or the other
 */
import type { ReplyShape } from '../../../ts/resp/reply.js'

export type Protocol = 2 | 3

export function notation(shape: ReplyShape, protocol: Protocol): string {
  return alternatives(shape, protocol).join(' | ')
}

/** What a reply may be, each way once. */
function alternatives(shape: ReplyShape, protocol: Protocol): string[] {
  switch (shape.kind) {
    case 'oneOf':
      return [...new Set(shape.of.flatMap(one => alternatives(one, protocol)))]
    case 'nullable':
      return [...new Set([...alternatives(shape.of, protocol), 'nil'])]
    case 'nullableArray':
      return [...alternatives(shape.of, protocol), protocol === 2 ? 'nil array' : 'nil']
    default:
      return [single(shape, protocol)]
  }
}

function single(shape: ReplyShape, protocol: Protocol): string {
  const inner = (of: ReplyShape) => enclosed(of, protocol)
  switch (shape.kind) {
    case 'ok':
      return 'OK'
    case 'simple':
      return 'status'
    case 'integer':
      return 'integer'
    case 'bulk':
    case 'binary':
      return 'bulk'
    case 'double':
      return protocol === 2 ? 'bulk' : 'double'
    case 'boolean':
      return protocol === 2 ? 'integer' : 'boolean'
    case 'any':
    case 'encoded':
      return 'any'
    case 'array':
      return `[${inner(shape.of)} …]`
    case 'tuple':
      return `[${shape.of.map(inner).join(', ')}]`
    case 'map':
    case 'record':
      return fields(shape, protocol)
    case 'mapOf':
      return protocol === 2
        ? `[${inner(shape.key)}, ${inner(shape.value)} …]`
        : `{${inner(shape.key)}: ${inner(shape.value)} …}`
    case 'pairs':
      return protocol === 2
        ? `[${inner(shape.key)}, ${inner(shape.value)} …]`
        : `[[${inner(shape.key)}, ${inner(shape.value)}] …]`
    case 'oneOf':
    case 'nullable':
    case 'nullableArray':
      return notation(shape, protocol)
  }
}

function fields(shape: Extract<ReplyShape, { fields: unknown }>, protocol: Protocol): string {
  const values = shape.fields.map(field => ({ ...field, value: enclosed(field.shape, protocol) }))
  if (protocol === 3) return `{${values.map(one => `"${one.name}": ${one.value}`).join(', ')}}`
  const named = shape.kind === 'map'
  return `[${values.map(one => (named ? `"${one.name}", ${one.value}` : one.value)).join(', ')}]`
}

/** Within an array or map: alternatives in parentheses. */
function enclosed(shape: ReplyShape, protocol: Protocol): string {
  const all = alternatives(shape, protocol)
  return all.length === 1 ? all[0]! : `(${all.join(' | ')})`
}
