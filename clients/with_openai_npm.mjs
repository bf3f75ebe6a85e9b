// The openai package for Node: Chat Completions and Responses, with `create` and with the `stream` helpers.
import assert from "node:assert/strict";
import OpenAI from "openai";
import * as mock from "./report.mjs";
import { ARGUMENTS, FIRST_THREE, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER, all, feature } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: PROMPT }];
const chatTool = { type: "function", function: { name: "weather", parameters: WEATHER } };
const tool = { type: "function", name: "weather", parameters: WEATHER, strict: false };

const chat = (model, options) => client.chat.completions.create({ model, messages, ...options });
const respond = (model, options) => client.responses.create({ model, input: PROMPT, ...options });

async function* contents(stream) {
  for await (const chunk of await stream) yield chunk.choices[0]?.delta.content ?? "";
}

async function* deltas(stream, type = "response.output_text.delta") {
  for await (const event of await stream) if (event.type === type) yield event.delta;
}

await feature("chat streamed text", () => mock.streamed(contents(chat(SLOW, { stream: true }))));

await feature("chat stream helper", async () => {
  const stream = client.chat.completions.stream({ model: SLOW, messages });
  const how = await mock.streamed(contents(stream));
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
  assert.deepEqual([message.content, finish_reason], [TEXT, "stop"]);
  return how;
});

await feature("chat whole text", async () => assert.equal((await chat(MODEL)).choices[0].message.content, TEXT));

await feature("chat usage", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const last = (await all(chat(MODEL, options))).at(-1);
  assert.deepEqual([last.choices, last.usage.completion_tokens], [[], TOKENS.length]);
  assert.deepEqual((await chat(MODEL)).usage, last.usage);
});

await feature("chat tool call", async () => {
  const pieces = [];
  const stream = client.chat.completions.stream({ model: `${MODEL};calls=1`, messages, tools: [chatTool] });
  stream.on("tool_calls.function.arguments.delta", (event) => pieces.push(event.arguments_delta));
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
  const [call] = message.tool_calls;
  assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["weather", ARGUMENTS]);
  assert.equal(finish_reason, "tool_calls");
  return mock.inPieces(pieces, call.function.arguments);
});

await feature("chat tool round", async () => {
  const came = [];
  const run = (given) => came.push(given) && "the sky is clear";
  const tools = [{ type: "function", function: { function: run, parse: JSON.parse, ...chatTool.function } }];
  const runner = client.chat.completions.runTools({ model: `${MODEL};calls=1`, messages, tools, stream: true });
  assert.equal(await runner.finalContent(), TEXT);
  assert.deepEqual(came, [ARGUMENTS]);
});

await feature("chat length stop", async () => {
  const chunks = await all(chat(MODEL, { stream: true, max_completion_tokens: 3 }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), FIRST_THREE);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

await feature("chat refusal", async () => {
  const { message } = (await chat(`${MODEL};refusal`)).choices[0];
  assert.deepEqual([message.content, message.refusal], [null, TEXT]);
});

await feature("chat content filter", async () => {
  const chunks = await all(chat(`${MODEL};filter=3`, { stream: true }));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "content_filter");
});

await feature("chat error before the stream", async () => {
  const error = await mock.throws(() => chat(`${MODEL};error=429`, { stream: true }), OpenAI.RateLimitError);
  assert.deepEqual([error.code, error.type], ["rate_limit_exceeded", "rate_limit_error"]);
});

await feature("chat retried", async () => {
  const patient = client.withOptions({ maxRetries: 2 });
  const answer = await patient.chat.completions.create({ model: `${MODEL};flaky=1`, messages });
  assert.equal(answer.choices[0].message.content, TEXT);
  assert.deepEqual((await mock.ledger()).slice(-2).map((entry) => entry.status), [503, 200]);
});

await feature("chat error inside the stream", () =>
  mock.breaksAfterThree(contents(chat(`${MODEL};error-at=3`, { stream: true })), OpenAI.APIError, /the mock broke off/),
);

await feature("chat cut connection", () =>
  mock.breaksAfterThree(contents(chat(`${MODEL};cut=3`, { stream: true })), TypeError, /terminated/),
);

await feature("responses streamed text", () => mock.streamed(deltas(respond(SLOW, { stream: true }))));

await feature("responses stream helper", async () => {
  const stream = client.responses.stream({ model: SLOW, input: PROMPT });
  const how = await mock.streamed(deltas(stream));
  assert.equal((await stream.finalResponse()).output_text, TEXT);
  return how;
});

await feature("responses whole text", async () => assert.equal((await respond(MODEL)).output_text, TEXT));

await feature("responses usage", async () => {
  const last = (await all(respond(MODEL, { stream: true }))).at(-1);
  assert.deepEqual([last.type, last.response.usage.output_tokens], ["response.completed", TOKENS.length]);
  assert.deepEqual((await respond(MODEL)).usage, last.response.usage);
});

await feature("responses tool call", async () => {
  const stream = client.responses.stream({ model: `${MODEL};calls=1`, input: PROMPT, tools: [tool] });
  const pieces = await all(deltas(stream, "response.function_call_arguments.delta"));
  const [call] = (await stream.finalResponse()).output;
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ["weather", ARGUMENTS]);
  return mock.inPieces(pieces, call.arguments);
});

await feature("responses tool round", async () => {
  const question = { role: "user", content: PROMPT };
  const [call] = (await respond(`${MODEL};calls=1`, { tools: [tool] })).output;
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ["weather", ARGUMENTS]);
  const result = { type: "function_call_output", call_id: call.call_id, output: "the sky is clear" };
  const answer = await respond(`${MODEL};calls=1`, { tools: [tool], input: [question, call, result] });
  assert.equal(answer.output_text, TEXT);
});

await feature("responses length stop", async () => {
  const { type, response } = (await all(respond(MODEL, { stream: true, max_output_tokens: 3 }))).at(-1);
  assert.deepEqual([type, response.incomplete_details.reason], ["response.incomplete", "max_output_tokens"]);
  assert.equal(response.output[0].content[0].text, FIRST_THREE);
});

await feature("responses refusal", async () => {
  const stream = respond(`${MODEL};refusal`, { stream: true });
  assert.equal((await all(deltas(stream, "response.refusal.delta"))).join(""), TEXT);
});

await feature("responses content filter", async () => {
  const { response } = (await all(respond(`${MODEL};filter=3`, { stream: true }))).at(-1);
  assert.equal(response.incomplete_details.reason, "content_filter");
});

await feature("responses error before the stream", async () => {
  await mock.throws(() => respond(`${MODEL};error=429`, { stream: true }), OpenAI.RateLimitError);
});

await feature("responses error inside the stream", () =>
  mock.breaksAfterThree(deltas(respond(`${MODEL};error-at=3`, { stream: true })), OpenAI.APIError, /the mock broke off/),
);

await feature("responses cut connection", () =>
  mock.breaksAfterThree(deltas(respond(`${MODEL};cut=3`, { stream: true })), TypeError, /terminated/),
);
