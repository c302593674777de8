// What derive.mjs can't take from a table as it is: where each provider's figures come from, and our judgements. Each judgement is
// explained in docs/prices.md.
const TABLES = ['https://github.com/pydantic/genai-prices', 'https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json']
const GENAI = '2026-09-23', MODELS_DEV = '2026-07-02'
const HF = ['together', 'nebius', 'novita', 'groq', 'cerebras', 'hyperbolic', 'fireworks-ai', 'sambanova', 'nscale', 'ovhcloud', 'publicai']

export const providers = [
  { provider: 'openai', maker: true, checked: GENAI, source: ['https://platform.openai.com/docs/pricing', ...TABLES], genai: [{ id: 'openai' }],
    litellm: [{ provider: 'openai' }, { provider: 'text-completion-openai' }], skip: /^(openai\/|ft:)/, modelsDev: 'openai', tiers: true },
  { provider: 'anthropic', maker: true, checked: GENAI, source: ['https://www.anthropic.com/pricing#api', ...TABLES], genai: [{ id: 'anthropic' }],
    litellm: [{ provider: 'anthropic' }], skip: /^(us|fast|eu)\//, modelsDev: 'anthropic',
    when: { 'service_tier=batch': { times: '0.5' }, 'inference_geo=us': { times: '1.1' } } },
  { provider: 'gemini', maker: true, checked: GENAI, source: ['https://ai.google.dev/gemini-api/docs/pricing', ...TABLES],
    genai: [{ id: 'google', only: (m) => !/claude/.test(m.id) }], litellm: [{ provider: 'gemini', prefix: 'gemini/' }], modelsDev: 'google', tiers: true,
    prefixes: ['models/', 'publishers/google/models/', 'google/'], skip: /lyria|veo|live-music/ },
  { provider: 'deepseek', maker: true, checked: GENAI, source: ['https://api-docs.deepseek.com/quick_start/pricing', ...TABLES], genai: [{ id: 'deepseek' }],
    litellm: [{ provider: 'deepseek', prefix: 'deepseek/' }], modelsDev: 'deepseek' },
  { provider: 'mistral', maker: true, checked: GENAI, source: ['https://mistral.ai/pricing/api', ...TABLES],
    genai: [{ id: 'mistral', only: (m) => !/:free$/.test(m.id) }], litellm: [{ provider: 'mistral', prefix: 'mistral/' }], modelsDev: 'mistral' },
  { provider: 'groq', checked: GENAI, source: ['https://groq.com/pricing', 'https://console.groq.com/docs/models', ...TABLES], genai: [{ id: 'groq' }],
    litellm: [{ provider: 'groq', prefix: 'groq/' }], modelsDev: 'groq' },
  { provider: 'xai', maker: true, checked: GENAI, source: ['https://docs.x.ai/docs/models', ...TABLES], genai: [{ id: 'x-ai' }],
    litellm: [{ provider: 'xai', prefix: 'xai/' }], modelsDev: 'xai' },
  { provider: 'openrouter', checked: GENAI, source: ['https://openrouter.ai/models', ...TABLES], genai: [{ id: 'openrouter', only: (m) => !/:free$/.test(m.id) }],
    litellm: [{ provider: 'openrouter', prefix: 'openrouter/' }], modelsDev: 'openrouter', skip: /:free$/,
    suffixes: [':exacto', ':nitro', ':floor', ':online', ':extended', ':thinking'], before: [['*:free', { free: true }]] },
  { provider: 'together', checked: GENAI, source: ['https://www.together.ai/pricing', ...TABLES], genai: [{ id: 'together' }],
    litellm: [{ provider: 'together_ai', prefix: 'together_ai/' }], modelsDev: 'togetherai', skip: /^together-ai-/ },
  { provider: 'fireworks', checked: GENAI, source: ['https://fireworks.ai/pricing', ...TABLES], genai: [{ id: 'fireworks' }],
    litellm: [{ provider: 'fireworks_ai', prefix: 'fireworks_ai/' }, { provider: 'fireworks_ai-embedding-models', prefix: 'fireworks_ai/' }], modelsDev: 'fireworks-ai',
    skip: /^fireworks-ai-|flux|stable-diffusion|playground|SSD-1B/ },
  { provider: 'cerebras', checked: GENAI, source: ['https://www.cerebras.ai/pricing#pricing', ...TABLES], genai: [{ id: 'cerebras' }],
    litellm: [{ provider: 'cerebras', prefix: 'cerebras/' }], modelsDev: 'cerebras' },
  { provider: 'perplexity', maker: true, checked: GENAI, source: ['https://docs.perplexity.ai/docs/getting-started/pricing', ...TABLES], genai: [{ id: 'perplexity' }],
    litellm: [{ provider: 'perplexity', prefix: 'perplexity/' }], modelsDev: 'perplexity', skip: /^preset\// },
  { provider: 'cohere', maker: true, checked: GENAI, source: ['https://cohere.com/pricing', ...TABLES], genai: [{ id: 'cohere' }],
    litellm: [{ provider: 'cohere_chat' }, { provider: 'cohere' }], modelsDev: 'cohere' },
  { provider: 'azure-openai', checked: GENAI, source: ['https://azure.microsoft.com/en-us/pricing/details/cognitive-services/openai-service/', ...TABLES],
    genai: [{ id: 'azure' }, { id: 'moonshotai' }], litellm: [{ provider: 'azure', prefix: 'azure/' }, { provider: 'azure_ai', prefix: 'azure_ai/' }], modelsDev: 'azure',
    skip: /\//, fallback: ['openai', 'anthropic', 'deepseek', 'xai'], knownVia: ['openai', 'anthropic', 'x-ai'] },
  { provider: 'huggingface', checked: GENAI, source: ['https://router.huggingface.co/v1/models', 'https://huggingface.co/inference/models', TABLES[0]],
    genai: HF.map((route) => ({ id: 'huggingface_' + route, prefix: route + '/', names: (n) => [`${route}/${n}`, `${n}:${route}`] })) },
  { provider: 'vercel-gateway', checked: MODELS_DEV, source: ['https://vercel.com/ai-gateway/models', 'https://github.com/anomalyco/models.dev', TABLES[1]],
    litellm: [{ provider: 'vercel_ai_gateway', prefix: 'vercel_ai_gateway/' }], modelsDev: 'vercel', modelsDevFirst: true },
  { provider: 'zai', maker: true, checked: GENAI, source: ['https://docs.z.ai/guides/overview/pricing', ...TABLES], genai: [{ id: 'zai' }],
    litellm: [{ provider: 'zai', prefix: 'zai/' }], modelsDev: 'zai' },
  { provider: 'voyage', maker: true, checked: GENAI, source: ['https://docs.voyageai.com/docs/pricing', ...TABLES], genai: [{ id: 'voyageai' }],
    litellm: [{ provider: 'voyage', prefix: 'voyage/' }] },
]

/** Tool fees that hold for all models of a provider, USD per thousand. */
export const fees = {
  openai: { web_search: '10', file_search: '2.5', code_execution: '30' },
  anthropic: { web_search: '10', code_execution: '0' },
  xai: { web_search: '5' }, // measured: what xAI itself states as cost of recorded calls, less their tokens, is 0.005 USD a search
  gemini: { code_execution: '0', file_search: '0' },
}

/** Listed at zero on purpose by the provider itself, not for want of a figure. */
export const freeModels = (provider, name) =>
  (provider === 'openai' && /moderation/.test(name)) || (provider === 'gemini' && /^gemma-/.test(name)) || (provider === 'zai' && /-flash$/.test(name))

const FAST = { 'claude-opus-4-6': '6', 'claude-opus-4-7': '6', 'claude-opus-4-8': '2', 'claude-opus-5': '2', 'claude-opus-5-5': '2' }

export function corrections(provider, models, { imageVariants }) {
  const set = (name, change) => {
    const key = [...models.keys()].find((k) => k === name || models.get(k).also?.includes(name))
    if (!key) throw new Error(`${provider} lists no ${name}`)
    models.set(key, change({ ...models.get(key) }))
  }
  const rename = (from, to) => { // moves an alias to another entry
    const key = [...models.keys()].find((k) => k === from || models.get(k).also?.includes(from))
    if (key) {
      const entry = models.get(key)
      if (key !== from) models.set(key, { ...entry, also: entry.also.filter((n) => n !== from) })
      else {
        const order = [...models]
        models.clear()
        for (const [k, v] of order) if (k !== from) models.set(k, v); else if (v.also?.length) models.set(v.also[0], { ...v, also: v.also.slice(1) })
      }
    }
    set(to, (e) => ({ also: undefined, ...e, ...{ also: [...(e.also ?? []), from] } }))
  }
  if (provider === 'openai') {
    set('dall-e-3', () => ({ kind: 'image', image: '0.04', when: imageVariants('dall-e-3', '') }))
    set('dall-e-2', () => ({ kind: 'image', image: '0.02', when: imageVariants('dall-e-2', '') }))
    for (const name of ['gpt-image-1', 'gpt-image-1-mini', 'gpt-image-1.5'])
      set(name, (e) => ({ ...e, kind: 'image', when: { ...e.when, ...imageVariants(name, '') } }))
  }
  if (provider === 'openai')
    for (const [dated, model] of [['tts-2025-03-20', 'tts'], ['tts-2025-12-15', 'tts'], ['transcribe-2025-03-20', 'transcribe'], ['transcribe-2025-12-15', 'transcribe']])
      rename(`gpt-4o-mini-${dated}`, `gpt-4o-mini-${model}`)
  if (provider === 'anthropic')
    for (const [name, times] of Object.entries(FAST)) {
      const fast = { 'speed=fast': { times } }
      set(name, (e) => ({ ...e, when: fast, ...(e.then ? { then: e.then.map((x) => ({ ...x, when: fast })) } : {}) }))
    }
  if (provider === 'gemini') {
    for (const [key, e] of [...models]) {
      if (e.free || (e.kind ?? 'chat') !== 'chat') continue
      const fee = /^gemini-(3|omni|flash-latest|pro-latest)/.test(key) ? { web_search: '14', grounded_prompt: '14' } : /^gemini/.test(key) ? { grounded_prompt: '35' } : {}
      models.set(key, { ...e, ...fee, ...(e.then ? { then: e.then.map((x) => ({ ...x, ...fee })) } : {}) })
    }
    set('gemini-2.5-flash-tts', (e) => ({ ...e, also: [...(e.also ?? []), 'gemini-2.5-flash*-tts', 'gemini-2.5-flash*-tts-*'] }))
    const tts = models.get('gemini-2.5-pro-tts')
    const order = [...models]
    models.clear()
    models.set('gemini-2.5-pro-tts', { ...tts, kind: 'speech', also: [...(tts.also ?? []), 'gemini-2.5-pro*-tts', 'gemini-2.5-pro*-tts-*'] })
    for (const [k, v] of order) if (k !== 'gemini-2.5-pro-tts') models.set(k, v)
  }
  if (provider === 'cohere') set('embed-multilingual-light-v3.0', (e) => ({ ...e, input: '0.1' }))
  if (provider === 'xai') {
    for (const name of ['grok-4.20-0309-reasoning', 'grok-4.20-0309-non-reasoning', 'grok-4.20-beta-0309-reasoning', 'grok-4.20-beta-0309-non-reasoning']) rename(name, 'grok-4.20')
    for (const name of ['grok-4.20-multi-agent-0309', 'grok-4.20-multi-agent-beta-0309']) rename(name, 'grok-4.20-multi-agent')
  }
  if (provider === 'mistral') {
    // The duration of a recording is reported beside its tokens, and the tokens are what is billed.
    set('voxtral-small-24b-2507', (e) => ({ ...e, audio: '0', then: e.then.map((x) => ({ ...x, audio: '0' })) }))
    rename('mistral-large-latest', 'mistral-large-2512')
    rename('mistral-small-latest', 'mistral-small-2603')
    rename('codestral-latest', 'codestral-2508')
    rename('ministral-3b-latest', 'ministral-3b-2512')
    rename('ministral-14b-latest', 'ministral-14b-2512')
    rename('devstral-latest', 'devstral-2512')
    rename('devstral-medium-latest', 'devstral-2512')
  }
  if (provider === 'deepseek') {
    const flash = models.get('deepseek-v4-flash'), weekdays = (e) => ({ ...e, max_output: 384000, then: e.then.map((x) => (x.utc ? { from: '2026-08-17', utc: x.utc, days: 'weekdays', ...x } : x)) })
    models.set('deepseek-v4-flash', { also: undefined, ...weekdays(flash), ...{ also: ['deepseek-chat', 'deepseek-reasoner', ...(flash.also ?? [])] } })
    models.set('deepseek-v4-pro', weekdays(models.get('deepseek-v4-pro')))
    models.delete('deepseek-chat')
    models.delete('deepseek-reasoner')
    models.set('deepseek-chat-v3-0324', { also: ['deepseek-chat-*'], input: '0.27', cache_read: '0.07', output: '1.1' })
    models.set('deepseek-r1', { also: ['deepseek-r1-0528', 'deepseek-r1*'], input: '0.55', cache_read: '0.14', output: '2.19' })
  }
  if (provider === 'perplexity')
    for (const [name, [low, medium, high]] of Object.entries({ sonar: ['5', '8', '12'], 'sonar-reasoning': ['5', '8', '12'], 'sonar-pro': ['6', '10', '14'], 'sonar-reasoning-pro': ['6', '10', '14'] }))
      if ([...models.keys()].includes(name))
        set(name, (e) => ({ ...e, request: low, when: { 'search_context=medium': { request: medium }, 'search_context=high': { request: high } } }))
  if (provider === 'azure-openai') {
    for (const name of ['deepseek-r1', 'DeepSeek-R1', 'deepseek-r1-0528', 'DeepSeek-R1-0528']) models.delete(name)
    models.set('deepseek-r1', { also: ['DeepSeek-R1-0528', 'deepseek-reasoner'], input: '1.35', output: '5.4' })
  }
  if (provider === 'huggingface') {
    // A plain name goes to whatever route the caller's account prefers: it has a price only where all routes that list it agree.
    const byName = new Map()
    for (const [key, e] of models) {
      const plainName = key.slice(key.indexOf('/') + 1).toLowerCase()
      if (!/[*#]/.test(key)) byName.set(plainName, [...(byName.get(plainName) ?? []), [key, e]])
    }
    const rates = ({ also, max_input, max_output, kind, ...rest }) => JSON.stringify(rest)
    for (const routes of byName.values())
      if (new Set(routes.map(([, e]) => rates(e))).size === 1) {
        const [key, e] = routes[0]
        models.set(key, { ...e, also: [...(e.also ?? []), key.slice(key.indexOf('/') + 1)] })
      }
  }
  return models
}
