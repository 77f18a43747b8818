// What a script finds beyond the language. Evaluated in each fresh context before the script, which can't reach
// anything that is kept in here: the functions of the node, the real Date, the list of handlers.
(function (print, random, now, env) {
  "use strict";
  const { defineProperty } = Object;
  const { construct } = Reflect;
  const { stringify } = JSON;
  const RealDate = Date;
  const handlers = [];

  function put(name, value) {
    defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }

  // Clocks, the collector's moments, threads, and jobs that nobody would run.
  for (const name of ["performance", "WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "Atomics", "queueMicrotask"]) {
    delete globalThis[name];
  }
  // Call sites hand out the functions on the stack, and the real Date can be one of them.
  delete Error.prepareStackTrace;

  function show(value) {
    if (typeof value === "string") return value;
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "function") return `[function ${value.name}]`;
    if (typeof value !== "object" || value === null) return String(value);
    if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : `${value}`;
    try {
      return stringify(value) ?? "[object]";
    } catch (error) {
      return `[object: ${error.message}]`;
    }
  }

  function writer(type) {
    return (...values) => {
      let text = "";
      for (let i = 0; i < values.length; i++) text += (i ? " " : "") + show(values[i]);
      print(type, text.toWellFormed());
    };
  }
  const console = {};
  for (const type of ["debug", "log", "info", "warn", "error", "fatal"]) console[type] = writer(type);
  put("console", console);

  put("addHandler", function addHandler(name, handler) {
    if (name !== "transform") throw new TypeError(`addHandler: expected "transform", was ${show(name)}`);
    if (typeof handler !== "function") throw new TypeError(`addHandler: expected a function, was ${show(handler)}`);
    handlers[handlers.length] = handler;
  });

  put("process", { env });

  function EventDate(...given) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, given.length === 0 ? [now] : given, new.target);
  }
  const own = (value) => ({ value, writable: true, configurable: true });
  defineProperty(EventDate, "name", { value: "Date", configurable: true });
  defineProperty(EventDate, "length", { value: 7, configurable: true });
  defineProperty(EventDate, "prototype", { value: RealDate.prototype, writable: false });
  defineProperty(EventDate, "now", own({ now: () => now }.now));
  defineProperty(EventDate, "parse", own(RealDate.parse));
  defineProperty(EventDate, "UTC", own(RealDate.UTC));
  defineProperty(RealDate.prototype, "constructor", own(EventDate));
  put("Date", EventDate);

  defineProperty(Math, "random", own({ random: () => random() }.random));

  return handlers;
})
