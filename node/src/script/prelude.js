// The part of a script's world that only JavaScript can lay out; the rest is world.rs. Evaluated in each fresh context
// before the script, which can't reach what is kept in here: the real Date and the list of handlers.
(function (now) {
  "use strict";
  const RealDate = Date, { construct } = Reflect, { defineProperty } = Object, handlers = [];
  function set(on, name, value) {
    defineProperty(on, name, { value, writable: true, configurable: true });
  }
  function EventDate(...given) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, given.length === 0 ? [now] : given, new.target);
  }
  defineProperty(EventDate, "name", { value: "Date" });
  defineProperty(EventDate, "length", { value: 7 });
  defineProperty(EventDate, "prototype", { value: RealDate.prototype, writable: false });
  set(EventDate, "now", { now: () => now }.now);
  set(EventDate, "parse", RealDate.parse);
  set(EventDate, "UTC", RealDate.UTC);
  set(RealDate.prototype, "constructor", EventDate);
  set(globalThis, "Date", EventDate);
  set(globalThis, "addHandler", function addHandler(name, handler) {
    if (name !== "transform") throw new TypeError(`addHandler: expected "transform", was ${String(name)}`);
    if (typeof handler !== "function") throw new TypeError(`addHandler: expected a function, was ${typeof handler}`);
    handlers[handlers.length] = handler;
  });
  return handlers;
})
