import { addBit, removeBit } from './bits.ts'
import { countIn, createBuckets, putIn, takeOut } from './buckets.ts'
import { amountAtMost, noRules } from './cell.ts'
import { slotsOf, slotsWhenEmpty } from './nodes.ts'

import type { Cell, Form, Layer, Rules } from './cell.ts'

const none = new Int32Array()

/** Domains that are looked at one by one without any index. */
export const fewDomains = 64

/** Forms that keep their counts; of more, the one that was used least recently forgets. */
const formsAtMost = 64

/** The counts for gangs of ranks of a size under rules. */
export function formOf(cell: Cell, size: number, rules: Rules): Form {
  const slotsAtMost = Math.floor(amountAtMost / Math.max(1, cell.classOf.length))
  return interned(cell, [size, ...Object.values(rules)].join(' '), { size, rules, slotsAtMost })
}

/** The counts of one resource on each node, for single tasks of any size: `size` is one unit of it. */
export const leadFormOf = (cell: Cell, size: number): Form =>
  interned(cell, `lead ${size}`, { size, rules: noRules, slotsAtMost: amountAtMost })

function interned(cell: Cell, key: string, parts: Pick<Form, 'size' | 'rules' | 'slotsAtMost'>): Form {
  const known = cell.forms.get(key)
  if (known) return known
  const { sliceLevel, spareLevel, spreadLevel, exclusiveLevel } = parts.rules
  const form: Form = {
    ...parts,
    cell,
    allowed: cell.sizes.allowed[parts.size] ?? new Uint8Array(),
    isWhole: cell.sizes.whole[parts.size] === 1,
    isRuled: Math.max(sliceLevel, spareLevel, spreadLevel, exclusiveLevel) >= 0,
    layers: [],
    cursor: 0,
    pending: new Int32Array(cell.tree.levels + 1).fill(-1),
    change: new Int32Array(cell.tree.levels + 1),
  }
  cell.forms.set(key, form)
  return form
}

/** Brings the lowest `levels` levels of a form up to date. */
export function catchUp(form: Form, levels: number): void {
  const { cell } = form
  const behind = cell.logged - form.cursor
  if (form.layers.length < levels) return rebuild(form, levels)
  if (behind === 0) return
  // Where much has changed, to look at each node once costs less than to read how it went.
  const all = behind > cell.log.length / 2
  if (form.isWhole && !form.isRuled) followWhole(form, all)
  else follow(form, all)
  for (let level = 1; level < form.layers.length; level++) settle(form, level)
  form.cursor = cell.logged
}

function slotsNow(form: Form, node: number): number {
  return Math.min(slotsOf(form.cell, node, form.size), form.slotsAtMost)
}

/** Counts again the nodes that changed, or all of them. What that changes above them waits until a node of another domain changes. */
function follow(form: Form, all: boolean): void {
  const { cell, allowed, isRuled } = form
  const { log, classOf } = cell
  const [first, end] = all ? [0, classOf.length] : [form.cursor, cell.logged]
  const bottom = form.layers[0]
  const parents = form.layers.length > 1 ? cell.tree.parents[0] : null
  if (!bottom) return
  const { units } = bottom
  let [parent, change] = [-1, 0]
  for (let i = first; i < end; i++) {
    const node = all ? i : (log[i & (log.length - 1)] ?? 0)
    if (!isRuled && allowed[classOf[node] ?? 0] === 0) continue // it never had room, and never will
    const before = units[node] ?? 0
    if (isRuled) recount(form, 0, node)
    else {
      const after = slotsNow(form, node)
      if (after === before) continue
      place(bottom, node, after)
    }
    if (!parents) continue
    const own = parents[node] ?? 0
    if (own !== parent) {
      passOn(form, parent, change)
      parent = own
      change = 0
    }
    change += (units[node] ?? 0) - before
  }
  passOn(form, parent, change)
}

/**
 * The same for whole nodes, of which large gangs are made. A node has room or has none, so that all arrays can be held
 * in variables and no function is called but where a node leaves or enters the index: half the time of `follow`.
 */
function followWhole(form: Form, all: boolean): void {
  const { cell, allowed } = form
  const { log, classOf, tenants, usable, closedBy } = cell
  const [first, end] = all ? [0, classOf.length] : [form.cursor, cell.logged]
  const bottom = form.layers[0]
  if (!bottom) return
  const { units, buckets } = bottom
  const parents = form.layers.length > 1 ? cell.tree.parents[0] : null
  const mask = log.length - 1
  let [parent, change, sum] = [-1, 0, 0]
  for (let i = first; i < end; i++) {
    const node = all ? i : (log[i & mask] ?? 0)
    const isEmpty = tenants[node] === 0 && usable[node] === 1 && closedBy[node] === 0
    const after = isEmpty && allowed[classOf[node] ?? 0] === 1 ? 1 : 0
    if (units[node] === after) continue
    units[node] = after
    sum += after === 1 ? 1 : -1
    if (buckets && after === 1) addBit(buckets.members, 1, node)
    else if (buckets) removeBit(buckets.members, 1, node)
    if (!parents) continue
    const own = parents[node] ?? 0
    if (own !== parent) {
      passOn(form, parent, change)
      parent = own
      change = 0
    }
    change += after === 1 ? 1 : -1
  }
  if (buckets) countIn(buckets, 1, sum)
  passOn(form, parent, change)
}

function passOn(form: Form, parent: number, change: number): void {
  if (parent === -1) return
  form.pending[1] = parent
  form.change[1] = change
  settle(form, 1)
}

/** Applies what waits for a domain of a level, and lets its own change wait one level further up. */
function settle(form: Form, level: number): void {
  const domain = form.pending[level] ?? -1
  const layer = form.layers[level]
  if (domain === -1 || !layer) return
  const before = layer.units[domain] ?? 0
  if (form.isRuled) recount(form, level, domain)
  else place(layer, domain, before + (form.change[level] ?? 0))
  form.pending[level] = -1
  form.change[level] = 0
  const above = level + 1
  if (above === form.layers.length) return
  const parent = form.cell.tree.parents[level]?.[domain] ?? 0
  if (form.pending[above] !== parent) {
    settle(form, above)
    form.pending[above] = parent
  }
  form.change[above] = (form.change[above] ?? 0) + (layer.units[domain] ?? 0) - before
}

/** Writes how much a domain can take, into the index too. */
function place(layer: Layer, domain: number, units: number): void {
  const before = layer.units[domain] ?? 0
  layer.units[domain] = units
  const { buckets } = layer
  if (!buckets || before === units) return
  const same = before !== 0 && units !== 0 && before >>> buckets.shift === units >>> buckets.shift
  if (same) return
  if (before !== 0) takeOut(buckets, domain, before)
  if (units !== 0) putIn(buckets, domain, units)
}

/** Counts a domain again from its children, under the rules. */
function recount(form: Form, level: number, domain: number): void {
  const { cell } = form
  const layer = form.layers[level]
  if (!layer) return
  if (level === 0) {
    const slots = slotsNow(form, domain)
    rule(form, level, { domain, raw: slots, units: slots, busy: cell.tenants[domain] === 0 ? 0 : 1 })
  } else sumUp(form, level, domain)
}

function sumUp(form: Form, level: number, domain: number): void {
  const below = form.layers[level - 1]
  const starts = form.cell.tree.children[level]
  if (!below || !starts) return
  let [raw, units, busy] = [0, 0, 0]
  const end = starts[domain + 1] ?? 0
  for (let child = starts[domain] ?? 0; child < end; child++) {
    units += below.units[child] ?? 0
    if (!form.isRuled) continue
    raw += below.raw[child] ?? 0
    busy += below.busy[child] ?? 0
  }
  rule(form, level, { domain, raw, units, busy })
}

type Count = { domain: number; raw: number; units: number; busy: number }

function rule(form: Form, level: number, { domain, raw, units, busy }: Count): void {
  const layer = form.layers[level]
  if (!layer) return
  if (!form.isRuled) return place(layer, domain, units)
  const { rules } = form
  const isClosed = level === rules.exclusiveLevel && busy > 0
  const unitRanks = rules.sliceLevel >= 0 && level > rules.sliceLevel ? rules.sliceRanks : 1
  let able = isClosed ? 0 : units
  if (level === rules.spareLevel) able = Math.min(able, Math.floor(Math.max(0, raw - rules.spares) / unitRanks))
  if (level === rules.spreadLevel) able = Math.min(able, Math.floor(rules.spreadMost / unitRanks))
  if (level === rules.sliceLevel) able = Math.floor(able / rules.sliceRanks)
  layer.raw[domain] = isClosed ? 0 : raw
  layer.busy[domain] = busy
  place(layer, domain, able)
}

/** Counts from scratch: first as if all were free, which tells how many buckets there must be, then as it is. */
export function rebuild(form: Form, levels: number): void {
  const { cell } = form
  const { counts } = cell.tree
  const perClass = cell.classes.map((_, c) => Math.min(slotsWhenEmpty(cell, c, form.size), form.slotsAtMost))
  form.layers = Array.from(counts.subarray(0, levels), (count) => ({
    units: new Int32Array(count),
    most: 0,
    buckets: null,
    raw: form.isRuled ? new Int32Array(count) : none,
    busy: form.isRuled ? new Int32Array(count) : none,
  }))
  for (let level = 0; level < levels; level++)
    for (let domain = 0; domain < (counts[level] ?? 0); domain++)
      if (level > 0) sumUp(form, level, domain)
      else {
        const slots = perClass[cell.classOf[domain] ?? 0] ?? 0
        rule(form, level, { domain, raw: slots, units: slots, busy: 0 })
      }
  for (const layer of form.layers) {
    layer.most = layer.units.reduce((most, units) => Math.max(most, units), 0)
    layer.buckets = layer.units.length > fewDomains ? createBuckets(layer.units.length, layer.most) : null
    layer.units.fill(0)
  }
  form.layers.forEach((layer, level) => {
    for (let domain = 0; domain < layer.units.length; domain++)
      if (level > 0) sumUp(form, level, domain)
      else if (form.isRuled) recount(form, 0, domain)
      else place(layer, domain, slotsNow(form, domain))
  })
  form.cursor = cell.logged
  forgetOthers(form)
}

function forgetOthers(form: Form): void {
  const counted = [...form.cell.forms.values()].filter((other) => other !== form && other.layers.length > 0)
  if (counted.length < formsAtMost) return
  const oldest = counted.reduce((a, b) => (b.cursor < a.cursor ? b : a))
  oldest.layers = []
}
