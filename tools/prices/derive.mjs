#!/usr/bin/env node
// Derives our price sheets from three public tables. Run by hand when a table is newer; the result is reviewed as a diff before it is kept.
//   node tools/prices/derive.mjs FOLDER-WITH-TABLES [OUTPUT-FOLDER]
// The folder holds genai-prices.json, litellm.json and models-dev.json. Sheets without a table (sandbox, ollama, venice ...) are kept by hand.
// Order of trust: genai-prices; LiteLLM for what that lacks (limits, kinds, service tiers, images, audio); then models.dev. Exceptions are in corrections.mjs.
import fs from 'node:fs'
import path from 'node:path'
import { corrections, fees, freeModels, providers } from './corrections.mjs'
import { matches } from './matching.mjs'

const here = path.dirname(new URL(import.meta.url).pathname)
const [tables, out = path.join(here, '../../src/Infrastructure/Pricing/Sheets')] = process.argv.slice(2)
const table = (name) => JSON.parse(fs.readFileSync(path.join(tables, name), 'utf8'))
const genai = table('genai-prices.json'), litellm = table('litellm.json'), modelsDev = table('models-dev.json').providers

// ---------------------------------------------------------------- figures
/** A number as a plain decimal; float noise of the tables (2.9999999999999997e-7) is rounded off at twelve digits. */
const plain = (number) => {
  let text = Number(number).toPrecision(12)
  if (text.includes('e') || text.split('.')[1]?.length > 12) text = Number(text).toFixed(12)
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text
}
const mega = (perToken) => plain(perToken * 1e6)

// ---------------------------------------------------------------- genai-prices: units and matching
const UNIT = {
  input_mtok: 'input', cache_read_mtok: 'cache_read', cache_write_mtok: 'cache_write', cache_write_1h_mtok: 'cache_write_1h', output_mtok: 'output',
  output_reasoning_mtok: 'reasoning', output_citation_mtok: 'citation', input_audio_mtok: 'input_audio', output_audio_mtok: 'output_audio',
  cache_audio_read_mtok: 'cache_read_audio', input_image_mtok: 'input_image', output_image_mtok: 'output_image', cache_image_read_mtok: 'cache_read_image',
  input_video_mtok: 'input_video', output_video_mtok: 'output_video', web_searches_kcount: 'web_search', storage_searches_kcount: 'file_search',
  requests_kcount: 'request', input_document_kpages: 'page', input_audio_hours: 'audio', audio_hours: 'audio', code_executions_kcount: 'code_execution',
}
const NOT_OURS = new Set(['input_annotated_document_kpages', 'input_text_messages_kcount']) // no unit counts them
const ORDER = ['input', 'cache_read', 'cache_write', 'cache_write_1h', 'output', 'reasoning', 'citation', 'input_audio', 'cache_read_audio', 'output_audio',
  'input_image', 'cache_read_image', 'output_image', 'input_video', 'output_video', 'web_search', 'file_search', 'code_execution', 'grounded_prompt',
  'search_unit', 'image', 'audio', 'character', 'page', 'request']
const ordered = (rates) => Object.fromEntries(ORDER.filter((u) => rates[u] !== undefined).map((u) => [u, rates[u]]))

function ratesOf(prices) {
  const base = {}, above = {}
  for (const [key, price] of Object.entries(prices)) {
    if (NOT_OURS.has(key)) continue
    const unit = UNIT[key]
    if (!unit) throw new Error('unknown price key ' + key)
    if (typeof price === 'object') {
      base[unit] = plain(price.base)
      for (const tier of price.tiers) (above[tier.start] ??= {})[unit] = plain(tier.price)
    } else base[unit] = plain(price)
  }
  const result = ordered(base)
  if (Object.keys(above).length) result.above = Object.fromEntries(Object.entries(above).map(([start, rates]) => [start, ordered(rates)]))
  return result
}

/** The rule as our names and patterns. The one lookahead, "no -tts", is served by patterns of the speech models that stand before. */
function namesOf(logic) {
  if (logic.or) return logic.or.flatMap(namesOf)
  if (logic.and) return logic.and.filter((l) => !l.regex?.startsWith('^(?!')).flatMap(namesOf)
  if (logic.equals !== undefined) return [logic.equals]
  if (logic.starts_with !== undefined) return [logic.starts_with + '*']
  if (logic.ends_with !== undefined) return ['*' + logic.ends_with]
  if (logic.contains !== undefined) return ['*' + logic.contains + '*']
  const text = logic.regex.replace(/\\d\{(\d+)\}/g, (_, n) => '#'.repeat(n)).replace(/\\d/g, '#').replace(/\\\./g, '.').replace(/\\([[\]])/g, '$1')
  if (!text.startsWith('^') || /[\\()?+|]/.test(text)) throw new Error('a rule that no pattern says: ' + logic.regex)
  return [text.endsWith('$') ? text.slice(1, -1) : text.slice(1) + '*']
}
const isPattern = (name) => /[*#]/.test(name)

// ---------------------------------------------------------------- LiteLLM
const KIND = { embedding: 'embedding', image_generation: 'image', image_edit: 'image', audio_transcription: 'transcription', audio_speech: 'speech', rerank: 'rerank',
  moderation: 'moderation', ocr: 'ocr', realtime: 'realtime', video_generation: 'video' }
const thousands = (n, provider) => (n === 272 && /openai/.test(provider) ? 271999 : n * 1000)

function litellmRates(m, provider) {
  const r = {}
  const put = (unit, value) => { if (typeof value === 'number') r[unit] = value }
  put('input', m.input_cost_per_token); put('output', m.output_cost_per_token)
  put('cache_read', m.cache_read_input_token_cost); put('cache_write', m.cache_creation_input_token_cost); put('cache_write_1h', m.cache_creation_input_token_cost_above_1hr)
  put('reasoning', m.output_cost_per_reasoning_token); put('citation', m.citation_cost_per_token)
  put('input_audio', m.input_cost_per_audio_token); put('output_audio', m.output_cost_per_audio_token); put('cache_read_audio', m.cache_read_input_audio_token_cost)
  put('input_image', m.input_cost_per_image_token); put('output_image', m.output_cost_per_image_token); put('output_video', m.output_cost_per_video_token)
  const rates = Object.fromEntries(Object.entries(r).map(([u, v]) => [u, mega(v)]))
  if (rates.reasoning === rates.output) delete rates.reasoning
  if (rates.cache_read === '0' && rates.input !== '0') delete rates.cache_read
  if (rates.cache_write === '0') delete rates.cache_write
  for (const unit of ['output', 'output_audio', 'input_audio', 'input_image']) if (rates[unit] === '0' && KIND[m.mode] !== 'chat') delete rates[unit]
  if (m.mode === 'embedding' || m.mode === 'rerank') delete rates.output
  if (m.input_cost_per_query) { rates.search_unit = plain(m.input_cost_per_query * 1000); if (rates.input === '0') delete rates.input }
  if (m.input_cost_per_character) rates.character = mega(m.input_cost_per_character)
  if (m.ocr_cost_per_page) rates.page = plain(m.ocr_cost_per_page * 1000)
  if (m.input_cost_per_second && m.mode === 'audio_transcription') rates.audio = plain(Math.round(m.input_cost_per_second * 3600 * 1e6) / 1e6)
  if (m.mode === 'image_generation' && !Number(rates.input ?? 0) && !Number(rates.output_image ?? 0)) {
    const each = m.output_cost_per_image || m.input_cost_per_image
    if (each) { rates.image = plain(each); delete rates.input; delete rates.output }
  }
  const above = {}
  for (const [key, value] of Object.entries(m)) {
    const k = /^(input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost|cache_creation_input_token_cost_above_1hr)_above_(\d+)k_tokens$/.exec(key)
    if (!k || typeof value !== 'number' || !value) continue
    const unit = { input_cost_per_token: 'input', output_cost_per_token: 'output', cache_read_input_token_cost: 'cache_read',
      cache_creation_input_token_cost: 'cache_write', cache_creation_input_token_cost_above_1hr: 'cache_write_1h' }[k[1]]
    ;(above[thousands(+k[2], provider)] ??= {})[unit] = mega(value)
  }
  const result = ordered(rates)
  if (Object.keys(above).length) result.above = Object.fromEntries(Object.entries(above).map(([n, x]) => [n, ordered(x)]))
  return result
}

/** Flex, priority and batch rates: one factor where all rates move alike (so that it also holds in a long context), else the rates. */
function serviceTiers(m) {
  const when = {}
  for (const [tier, suffix] of [['flex', 'flex'], ['priority', 'priority'], ['batch', 'batches']]) {
    const pairs = [['input', 'input_cost_per_token'], ['cache_read', 'cache_read_input_token_cost'], ['cache_write', 'cache_creation_input_token_cost'],
      ['output', 'output_cost_per_token'], ['input_audio', 'input_cost_per_audio_token']]
      .map(([unit, key]) => [unit, m[key], m[`${key}_${suffix}`]]).filter(([, base, rate]) => base > 0 && rate > 0)
    if (!pairs.some(([unit]) => unit === 'input' || unit === 'output')) continue
    const ratios = pairs.map(([, base, rate]) => rate / base)
    const main = Number((pairs.find(([unit]) => unit === 'output') ? ratios[pairs.findIndex(([unit]) => unit === 'output')] : ratios[0]).toFixed(4))
    if (Math.abs(main - 1) < 0.001 && ratios.every((r) => Math.abs(r - 1) < 0.001)) continue
    if (main > 5) { // gpt-5-nano's priority rate stands there as 50 times the standard one: a slip, and the vendor sells none
      process.stderr.write(`left out: ${tier} at ${main} times the standard rate\n`)
      continue
    }
    // 5 % covers a rate that the vendor prints rounded (0.13 for half of 0.25)
    if (ratios.every((r) => Math.abs(r / main - 1) < 0.05) && Math.abs(main * 1000 - Math.round(main * 1000)) < 1e-6) when[`service_tier=${tier}`] = { times: plain(main) }
    else when[`service_tier=${tier}`] = Object.fromEntries(pairs.map(([unit, , rate]) => [unit, mega(rate)]))
  }
  return when
}

/** Prices by the piece stand under size/model or quality/size/model; the rate is per image or per pixel. */
function imageVariants(name, prefix) {
  const when = {}
  for (const [key, m] of Object.entries(litellm)) {
    const k = key.startsWith(prefix) ? key.slice(prefix.length) : ''
    const parts = /^(?:(low|medium|high|hd|standard)\/)?(\d+)-x-(\d+)\/(.+)$/.exec(k)
    if (!parts || parts[4] !== name || (name.startsWith('gpt-image') && (!parts[1] || parts[1] === 'standard'))) continue
    const [, quality, width, height] = parts
    const usd = m.input_cost_per_image ?? m.output_cost_per_image ?? Math.round(m.input_cost_per_pixel * width * height * 1000) / 1000
    when[`image=${width}x${height}${quality && quality !== 'standard' ? '/' + quality : '*'}`] = { image: plain(usd) }
  }
  const generalFirst = (a, b) => b.endsWith('*') - a.endsWith('*') // later entries win: the size alone before size and quality
  return Object.fromEntries(Object.keys(when).sort(generalFirst).map((k) => [k, when[k]]))
}

// ---------------------------------------------------------------- one provider
function litellmNames(p) {
  const names = new Map()
  for (const source of p.litellm ?? [])
    for (const [key, m] of Object.entries(litellm)) {
      if (m.litellm_provider !== source.provider || (source.prefix && !key.startsWith(source.prefix))) continue
      const name = source.prefix ? key.slice(source.prefix.length) : key
      if (name && !(p.skip && p.skip.test(name)) && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), { name, m })
    }
  return names
}

function derive(p) {
  const lite = litellmNames(p)
  const own = (p.genai ?? []).flatMap(({ id, prefix = '', names = (n) => [prefix + n], only = () => true }) =>
    genai.providers.find((x) => x.id === id).models.filter(only).map((m) => ({ ...m, id, model: m.id, prefix, rename: names })))
  const first = (name, id) => own.find((m) => m.id === id && matches(m.match, name))
  const bare = (name) => (p.suffixes ?? []).reduce((n, suffix) => (n.endsWith(suffix) ? n.slice(0, -suffix.length) : n), name)
  const known = (name) => knownAsIs(name) || (bare(name) !== name && knownAsIs(bare(name)))
  const knownAsIs = (name) => (p.genai ?? []).some(({ id, prefix = '' }) => name.startsWith(prefix) && first(name.slice(prefix.length), id))
    || (p.knownVia ?? []).some((id) => genai.providers.find((x) => x.id === id).models.some((m) => matches(m.match, name)))
  const models = new Map(), taken = new Set()
  const add = (names, entry) => {
    const kind = entry.kind ?? kindByName(names[0], entry)
    if (kind !== 'chat') entry = { kind, ...entry }
    const fresh = names.filter((n) => !taken.has(n.toLowerCase()) && taken.add(n.toLowerCase()))
    if (!fresh.length) return
    models.set(fresh[0], { ...(fresh.length > 1 ? { also: fresh.slice(1) } : {}), ...entry })
  }

  for (const [key, entry] of p.before ?? []) add([key, ...(entry.also ?? [])], { ...entry, also: undefined })
  for (const m of own) {
    let names = namesOf(m.match).filter((n) => isPattern(n) || first(n, m.id) === m)
    if (first(m.model, m.id) === m && !/[-:]$/.test(m.model) && !isPattern(m.model)) names = [m.model, ...names.filter((n) => n.toLowerCase() !== m.model.toLowerCase())]
    names = [...names.filter((n) => !isPattern(n)), ...names.filter(isPattern)].flatMap(m.rename)
    if (!names.length) continue
    const periods = (Array.isArray(m.prices) ? m.prices : [{ prices: m.prices }]).map(({ prices, constraint }) => ({
      ...(constraint?.start_date ? { from: constraint.start_date } : {}),
      ...(constraint?.start_time ? { utc: `${constraint.start_time.slice(0, 5)}-${constraint.end_time.slice(0, 5)}` } : {}),
      ...ratesOf(prices),
    }))
    const free = !Object.keys(periods[0]).length && freeModels(p.provider, m.model)
    if (!Object.keys(periods[0]).length && !free) continue
    const l = names.map((n) => lite.get(n.toLowerCase())).find((x) => x)?.m
      ?? [...lite.values()].find((x) => /^(chat|responses|completion)$/.test(x.m.mode) && first(x.name, m.id) === m)?.m
    const when = l ? { ...(p.tiers ? serviceTiers(l) : {}) } : {}
    const entry = { ...about(l, m), ...(free ? { free: true } : periods[0]) }
    fillAudio(entry, l, p, m)
    if (Object.keys(when).length) entry.when = when
    if (periods.length > 1) entry.then = periods.slice(1).map((x) => (Object.keys(when).length ? { ...x, when } : x))
    add(names, entry)
  }
  const fromLitellm = () => {
    for (const { name, m } of lite.values()) {
      if (known(name) || taken.has(name.toLowerCase()) || /^(low|medium|high|hd|standard)\/|^\d+-x-/.test(name)) continue
      const rates = litellmRates(m, p.provider)
      const images = m.mode === 'image_generation' ? imageVariants(name, p.litellm[0].prefix ?? '') : {}
      const nothing = !Object.entries(rates).some(([u, v]) => u !== 'above' && Number(v) > 0)
      if (nothing && !Object.keys(images).length) {
        if (freeModels(p.provider, name)) add([name], { ...about(m), free: true })
        continue
      }
      const when = { ...(p.tiers ? serviceTiers(m) : {}), ...images }
      const cleaned = { ...rates }
      if (nothing) for (const u of Object.keys(cleaned)) delete cleaned[u]
      add([name], { ...about(m), ...cleaned, ...(Object.keys(when).length ? { when } : {}) })
    }
  }
  const fromModelsDev = () => {
    for (const [name, { cost }] of Object.entries(modelsDev[p.modelsDev] ?? {})) {
      if (!cost || known(name) || taken.has(name.toLowerCase()) || (p.skip && p.skip.test(name))) continue
      if (!cost.input && !cost.output) { if (freeModels(p.provider, name)) add([name], { free: true }); continue }
      const rates = {}
      for (const [key, unit] of [['input', 'input'], ['cache_read', 'cache_read'], ['cache_write', 'cache_write'], ['output', 'output'], ['reasoning', 'reasoning'], ['input_audio', 'input_audio'], ['citation', 'citation']])
        if (cost[key]) rates[unit] = plain(cost[key])
      if (rates.reasoning === rates.output) delete rates.reasoning
      const embed = /embed|rerank|voyage/.test(name)
      const entry = { ...(embed ? { kind: /rerank/.test(name) ? 'rerank' : 'embedding' } : {}), ...ordered(rates) }
      const tiers = (cost.tiers ?? []).filter((t) => t.tier?.size)
      if (tiers.length) entry.above = Object.fromEntries(tiers.map((t) => [t.tier.size === 272000 ? 271999 : t.tier.size,
        ordered(Object.fromEntries(['input', 'cache_read', 'cache_write', 'output'].filter((u) => t[u]).map((u) => [u, plain(t[u])])))]))
      add([name], entry)
    }
  }
  for (const step of p.modelsDevFirst ? [fromModelsDev, fromLitellm] : [fromLitellm, fromModelsDev]) step()
  return corrections(p.provider, models, { imageVariants })
}

/** For the models whose kind no table says. */
function kindByName(name, entry) {
  const only = (unit) => entry[unit] !== undefined && entry.input === undefined
  if (/rerank/.test(name)) return 'rerank'
  if (/embed|^voyage-/.test(name)) return 'embedding'
  if (/-live|native-audio|realtime|voice/.test(name)) return 'realtime'
  if (/transcri|whisper/.test(name) || only('audio')) return 'transcription'
  if (/-tts/.test(name) || only('character')) return 'speech'
  if (only('page')) return 'ocr'
  if (only('image') || entry.output_image !== undefined) return 'image'
  if (entry.output_video !== undefined) return 'video'
  return 'chat'
}

function about(l, m) {
  const kind = l && KIND[l.mode]
  return {
    ...(kind ? { kind } : {}),
    ...((l?.max_input_tokens ?? m?.context_window) > 0 ? { max_input: Number(l?.max_input_tokens ?? m.context_window) } : {}),
    ...(l?.max_output_tokens > 0 && !['embedding', 'rerank', 'image', 'moderation'].includes(kind) ? { max_output: Number(l.max_output_tokens) } : {}),
  }
}

/** genai-prices lacks some audio rates, and then prices audio as text. */
function fillAudio(entry, l, p, m) {
  if (!l || !['openai', 'azure-openai'].includes(p.provider) || Array.isArray(m.prices) || entry.free) return
  for (const [unit, key, text] of [['input_audio', 'input_cost_per_audio_token', 'input'], ['output_audio', 'output_cost_per_audio_token', 'output']]) {
    if (entry[unit] !== undefined || !l[key] || mega(l[key]) === entry[text]) continue
    entry[unit] = mega(l[key])
    process.stderr.write(`audio from LiteLLM: ${p.provider} ${m.model} ${unit} ${entry[unit]}\n`)
  }
}

// ---------------------------------------------------------------- text
const spaced = (value) => JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ')
const HEAD = new Set(['also', 'kind', 'max_input', 'max_output', 'free'])
function line(name, entry) {
  const clean = Object.fromEntries(Object.entries(entry).filter(([, v]) => v !== undefined))
  const whole = `    ${JSON.stringify(name)}: ${spaced(clean)}`
  if (whole.length <= 170) return whole
  const rows = []
  const pick = (test) => Object.entries(clean).filter(([k]) => test(k)).map(([k, v]) => `${JSON.stringify(k)}: ${spaced(v)}`).join(', ')
  for (const row of [pick((k) => HEAD.has(k)), pick((k) => !HEAD.has(k) && !['above', 'when', 'then'].includes(k)), pick((k) => k === 'above'), pick((k) => k === 'when')]) if (row) rows.push(row)
  if (clean.then) rows.push(`"then": [\n        ${clean.then.map(spaced).join(',\n        ')} ]`)
  return `    ${JSON.stringify(name)}: {\n      ${rows.join(',\n      ')} }`
}

for (const p of providers) {
  const models = derive(p)
  const head = [`  "provider": ${JSON.stringify(p.provider)}`]
  if (p.maker) head.push('  "maker": true')
  head.push(`  "source": ${spaced(p.source)}`, `  "checked": ${JSON.stringify(p.checked)}`)
  if (p.note) head.push(`  "note": ${JSON.stringify(p.note)}`)
  for (const key of ['prefixes', 'suffixes', 'fallback']) if (p[key]) head.push(`  "${key}": ${spaced(p[key])}`)
  if (fees[p.provider]) head.push(`  "fees": ${spaced(fees[p.provider])}`)
  if (p.when) head.push(`  "when": ${spaced(p.when)}`)
  head.push(`  "models": {\n${[...models].map(([name, entry]) => line(name, entry)).join(',\n')}\n  }`)
  fs.writeFileSync(path.join(out, p.provider + '.json'), `{\n${head.join(',\n')}\n}\n`)
  process.stderr.write(`${p.provider}: ${models.size} models\n`)
}
