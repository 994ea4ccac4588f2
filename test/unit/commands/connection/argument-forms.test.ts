import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ArgumentForm, formsOf } from '../../../../ts/commands/connection/argument-forms.js'
import {
  bytes,
  int32,
  key,
  keyword,
  optional,
  options,
  type Param,
  rest,
} from '../../../../ts/server/command.js'

/** In short: `name:type`, with what else holds of it. */
function shown({ name, type, token, words, isOptional, isMultiple, isKey }: ArgumentForm): string {
  const more = [
    ...(token === undefined ? [] : [`token ${token}`]),
    ...(words === undefined ? [] : [words.join(' or ')]),
    ...(isOptional ? ['optional'] : []),
    ...(isMultiple ? ['multiple'] : []),
    ...(isKey ? ['key'] : []),
  ]
  return [`${name}:${type}`, ...more].join(', ')
}

function check(param: Param, forms: readonly string[]): void {
  assert.equal(formsOf(param).map(shown), forms, param.syntax)
}

test('a plain parameter is one argument', () => {
  check(bytes('value'), ['value:string'])
  check(optional(int32('limit')), ['limit:integer, optional'])
  check(rest(key(bytes('key'))), ['key:key, multiple, key'])
  check(rest(bytes('name'), { min: 0 }), ['name:string, optional, multiple'])
  check(keyword('state', ['ON', 'OFF']), ['state:oneof, ON or OFF'])
  check(optional(keyword('only', ['ONLY'])), ['only:pure-token, token ONLY, optional'])
})

test('an option list is what its syntax shows', () => {
  check(options('options', '[NX|XX] [GET] [EX seconds|PX milliseconds]'), [
    'NX|XX:oneof, NX or XX, optional',
    'get:pure-token, token GET, optional',
    'EX seconds|PX milliseconds:string, optional',
  ])
  check(options('options', '[LIMIT limit] [SHARDS id [id …]]'), [
    'limit:string, token LIMIT, optional',
    'SHARDS id [id …]:string, optional',
  ])
  check(rest(bytes('words'), { syntax: 'DOCS document [document …]' }), [
    'docs:pure-token, token DOCS',
    'document:string, multiple',
  ])
  check(rest(bytes('words'), { syntax: 'kind id|* READWRITE|READONLY' }), [
    'kind:string',
    'id|*:string',
    'READWRITE|READONLY:oneof, READWRITE or READONLY',
  ])
  check(rest(key(bytes('key')), { step: 2, syntax: 'key value [key value …]' }), [
    'key:key, key',
    'value:string',
    'key value …:string, optional',
  ])
  check({ ...options('options', ''), max: 3 }, [])
})

test.run()
