#!/usr/bin/env node
// Looks thousands of names up through our sheets and through genai-prices' own rules and prints where the main rates differ today. What it
// prints should be judgements of docs/prices.md and nothing else.
//   node tools/prices/compare.mjs FOLDER-WITH-TABLES [SHEETS]
import fs from 'node:fs'
import path from 'node:path'
import { matches } from './matching.mjs'
import { providers } from './corrections.mjs'

const here = path.dirname(new URL(import.meta.url).pathname)
const [tables, folder = path.join(here, '../../src/Infrastructure/Pricing/Sheets')] = process.argv.slice(2)
const table = (name) => JSON.parse(fs.readFileSync(path.join(tables, name), 'utf8'))
const genai = table('genai-prices.json').providers, litellm = table('litellm.json'), modelsDev = table('models-dev.json').providers
const at = new Date('2026-11-21T12:00:00Z')
const RATES = { input_mtok: 'input', output_mtok: 'output', cache_read_mtok: 'cache_read', cache_write_mtok: 'cache_write', input_audio_mtok: 'input_audio', output_image_mtok: 'output_image' }
const TAILS = ['-20260101', '-2026-01-01', '-preview', '-latest', '-001', '-tts', '-preview-tts', '-mini', '@20250101']

// ---------------------------------------------------------------- their side
const theirs = (id) => genai.find((p) => p.id === id)
function theirModel(id, name) {
  const own = theirs(id).models.find((m) => matches(m.match, name))
  return own ?? (theirs(id).fallback_model_providers ?? []).map((f) => theirs(f).models.find((m) => matches(m.match, name))).find((m) => m)
}
function theirRates(model) {
  if (!Array.isArray(model.prices)) return model.prices
  const holds = ({ constraint: c }) => !c || (c.start_date ? at >= new Date(c.start_date) : inside(c.start_time.slice(0, 5), c.end_time.slice(0, 5)))
  return (model.prices.findLast(holds) ?? model.prices[0]).prices
}
const inside = (start, end) => {
  const time = at.toISOString().slice(11, 16)
  return start < end ? time >= start && time < end : time >= start || time < end
}
function literals(logic, into) {
  for (const [key, value] of Object.entries(logic))
    if (key === 'or' || key === 'and') value.forEach((l) => literals(l, into))
    else if (key !== 'regex') into.add(value)
}

// ---------------------------------------------------------------- our side
const index = {}
for (const { provider } of providers) {
  const sheet = JSON.parse(fs.readFileSync(path.join(folder, provider + '.json'), 'utf8'))
  const exact = new Map(), patterns = []
  for (const [name, model] of Object.entries(sheet.models))
    for (const alias of [name, ...(model.also ?? [])])
      if (/[*#]/.test(alias)) patterns.push([new RegExp('^' + alias.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/#/g, '\\d') + '$', 'i'), model, name])
      else exact.set(alias.toLowerCase(), [model, name])
  index[provider] = { sheet, exact, patterns }
}
function asIs(provider, name) {
  const { exact, patterns } = index[provider]
  const pattern = () => patterns.find(([p]) => p.test(name))?.slice(1)
  return exact.get(name.toLowerCase()) ?? pattern()
}
function own(provider, name) {
  const { prefixes = [], suffixes = [] } = index[provider].sheet
  return asIs(provider, name)
    ?? prefixes.filter((p) => name.startsWith(p)).map((p) => asIs(provider, name.slice(p.length))).find((x) => x)
    ?? suffixes.filter((s) => name.endsWith(s)).map((s) => asIs(provider, name.slice(0, -s.length))).find((x) => x)
}
const ours = (provider, name) => own(provider, name) ?? (index[provider].sheet.fallback ?? []).map((f) => own(f, name)).find((x) => x)

// ---------------------------------------------------------------- all names
let looked = 0, different = 0
for (const p of providers.filter((x) => x.genai && x.provider !== 'huggingface')) {
  const id = p.genai[0].id
  const names = new Set()
  for (const m of [id, ...(theirs(id).fallback_model_providers ?? [])].flatMap((x) => theirs(x).models)) { literals(m.match, names); names.add(m.id) }
  for (const name of [...names]) for (const tail of TAILS) names.add(name + tail)
  for (const name of Object.keys(litellm)) names.add(name.slice(name.indexOf('/') + 1))
  for (const models of Object.values(modelsDev)) for (const name of Object.keys(models)) names.add(name)
  const found = new Map()
  for (const name of names) {
    const model = theirModel(id, name)
    if (!model || (p.provider === 'gemini' && /claude/.test(model.id))) continue // Vertex, not Gemini's own API
    const rates = theirRates(model)
    if (!Object.keys(rates).length) continue
    looked++
    const [mine, key] = ours(p.provider, name) ?? []
    const period = mine && [mine, ...(mine.then ?? [])].findLast((x) => (!x.from || new Date(x.from) <= at) && !x.utc)
    const base = (price) => (typeof price === 'object' ? price.base : price) ?? 0
    const differing = !period ? ['not listed'] : Object.entries(RATES).filter(([t, u]) => Math.abs(base(rates[t]) - Number(period[u] ?? 0)) > 1e-9)
      .map(([t, u]) => `${u} ${rates[t] === undefined ? 'none' : base(rates[t])} -> ${period[u] ?? 'none'}`)
    if (!differing.length) continue
    different++
    const line = `${p.provider}: ${model.id} -> ${key}: ${differing.join(', ')}`
    found.set(line, [...(found.get(line) ?? []), name])
  }
  for (const [line, those] of found) console.log(`${line} (${those.length}: ${those.slice(0, 3).join(', ')})`)
}
console.log(`${looked} names, ${different} at other rates`)
