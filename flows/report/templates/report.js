/* The gallery: a player in every card, made when it is first touched. */

function addControls(stage) {
  const bar = document.createElement("div");
  bar.className = "player";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "▶ play";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: stage.dataset.frames - 1, step: "any" });
  slider.value = slider.max / 2;
  slider.setAttribute("aria-label", "Moment of the motion");
  const clock = document.createElement("output");
  bar.append(button, slider, clock);
  stage.closest(".card").querySelector(".pictures").after(bar);

  let player = null;
  const ready = () => (player ??= new Player(stage, new View(Number(stage.dataset.azimuth))));
  const show = (frame) => {
    ready().frame = frame;
    player.draw();
    slider.value = frame;
    clock.value = `${((frame + Number(stage.dataset.first)) / player.fps).toFixed(2)} s`;
  };
  const stop = () => {
    playing = null;
    button.textContent = "▶ play";
  };
  const run = () => {
    const length = ready().motion.length;
    let before = performance.now();
    const step = (now) => {
      if (playing !== stop) return;
      const frame = (player.frame + (now - before) / 1000 * player.fps) % length;
      before = now;
      show(Math.min(frame, length - 1));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  };
  button.addEventListener("click", () => {
    if (playing === stop) return stop();
    playing?.();
    playing = stop;
    button.textContent = "❚❚ pause";
    run();
  });
  slider.addEventListener("input", () => {
    if (playing === stop) stop();
    show(Number(slider.value));
  });
  stage.addEventListener("pointerdown", () => show(Number(slider.value)), { once: true });
}

for (const stage of document.querySelectorAll(".stage")) addControls(stage);
