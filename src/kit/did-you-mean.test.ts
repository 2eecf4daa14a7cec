import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { didYouMean } from './did-you-mean.ts'

const words = ['accelerators', 'nodes', 'run', 'env', 'resources', 'replicas', 'readiness']

test('a misspelt word is recognised, by letters missing, wrong, swapped or too many', () => {
  const meant: Record<string, string> = {
    acelerators: 'accelerators',
    ndoes: 'nodes',
    rnu: 'run',
    Env: 'env',
    replica: 'replicas',
  }
  for (const [word, expected] of Object.entries(meant)) assert.equal(didYouMean(word, words), expected, word)
})

test('a word far from all of them is not guessed at', () => {
  for (const word of ['kubernetes', 'xyz', '', 'banana']) assert.equal(didYouMean(word, words), undefined, word)
})

test('a word that is there is found, and one edit away from a long one too', () => {
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(), (word, at) => {
      assert.equal(didYouMean(word, words), word)
      const cut = at % word.length
      if (word.length > 5) assert.equal(didYouMean(word.slice(0, cut) + word.slice(cut + 1), words), word)
    }),
  )
})

test('any text is answered', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.array(fc.string()), (word, list) => void didYouMean(word, list)),
  )
})
