// The server under test, and clients that count what they send.

import { readFileSync } from 'node:fs';
import { deflateSync, crc32 } from 'node:zlib';
import OpenAI from 'openai';

export const URL = process.env.OUTCROP_TEST_URL;
export const KEY = process.env.OUTCROP_TEST_KEY;

export const MODELS = JSON.parse(readFileSync(new globalThis.URL('../models.json', import.meta.url)));
export const ALL_MODELS = Object.values(MODELS).flat();
export const CLAUDE = 'anthropic.claude-3-haiku-20240307-v1:0';
export const NOVA = 'amazon.nova-pro-v1:0';
export const CLAUDE_OVER_CONVERSE = 'claude-over-converse';
export const THINKING_CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
export const NOVA_2 = 'amazon.nova-2-lite-v1:0';
export const LLAMA = 'meta.llama3-1-8b-instruct-v1:0';
export const TITAN = 'amazon.titan-text-express-v1';
export const MISTRAL = 'mistral.mistral-large-2402-v1:0';
export const GPT_OSS = 'openai.gpt-oss-120b-1:0';
export const QWEN = 'qwen.qwen3-32b-v1:0';
export const ONE_OF_EACH = [CLAUDE, CLAUDE_OVER_CONVERSE, NOVA, LLAMA, TITAN, MISTRAL, GPT_OSS, QWEN];
// The models that take tools, pictures and files, and can be told to call a tool.
export const RICH_MODELS = [CLAUDE, CLAUDE_OVER_CONVERSE, NOVA];
export const TOOL_MODELS = [...RICH_MODELS, THINKING_CLAUDE, NOVA_2, LLAMA, MISTRAL, GPT_OSS, QWEN];

export const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: "Today's weather in a city",
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

export const user = (content) => [{ role: 'user', content }];

/** A client, and the responses it got, its own retries included. Without retries, so that a failure is seen as it came. */
export function counted(options = {}) {
  const responses = [];
  const client = new OpenAI({
    baseURL: `${URL}/v1`,
    apiKey: KEY,
    maxRetries: 0,
    ...options,
    fetch: async (...request) => {
      const response = await fetch(...request);
      responses.push(response);
      return response;
    },
  });
  return { client, responses };
}

export const { client } = counted();

/** A red pixel, as a data: URL. */
export function png() {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const word = (number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(number);
      return bytes;
    };
    return Buffer.concat([word(data.length), body, word(crc32(body))]);
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  const bytes = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.from([0, 0xff, 0, 0]))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

/** A document of no pages, as a data: URL. */
export const PDF = `data:application/pdf;base64,${Buffer.from('%PDF-1.4\ntrailer<</Root 1 0 R>>\n%%EOF\n').toString('base64')}`;

/** The text of a stream, its finish reasons, and its chunks. */
export async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  return {
    text: choices.map((choice) => choice.delta.content ?? '').join(''),
    finishReasons: choices.map((choice) => choice.finish_reason).filter(Boolean),
    chunks,
  };
}
