/* What a heading means, in words, while it is pointed at or has the focus. */

function explain(table) {
  const line = table.querySelector(".meaning");
  if (!line) return;
  for (const button of table.querySelectorAll("th button[aria-describedby]")) {
    const about = document.getElementById(button.getAttribute("aria-describedby"));
    const say = () => { line.textContent = `${button.textContent}: ${about.textContent}`; };
    button.addEventListener("pointerenter", say);
    button.addEventListener("focus", say);
  }
}

for (const table of document.querySelectorAll(".measured")) explain(table);

/* Scenes: several motions under one clock, in seconds; a shorter one waits at its end. */

class Scene {
  constructor(article) {
    this.bar = article.querySelector(".player");
    [this.button, this.slider, this.speed, this.clock] =
      ["button", "input", "select", "output"].map((tag) => this.bar.querySelector(tag));
    this.view = new View(Number(this.bar.dataset.azimuth));
    this.clips = [...article.querySelectorAll(".stage[data-joints]")].map((stage) => ({
      player: new Player(stage, this.view),
      ended: stage.parentNode.querySelector(".ended"),
    }));
    /* One scale, so that sizes can be compared; a motion that flies off does not shrink the rest. */
    const reaches = this.clips.map(({ player }) => player.reach);
    const reach = Math.min(Math.max(...reaches), 2 * Math.min(...reaches));
    for (const { player } of this.clips) player.reach = reach;
    this.length = Math.max(...this.clips.map(({ player }) => this.end(player)));
    this.slider.max = this.length;
    this.stop = () => {
      playing = null;
      this.button.textContent = "▶ play";
    };
    this.listen();
    this.bar.hidden = false;
    this.show(0);
  }

  /* Seconds to a motion's last frame. */
  end(player) {
    return (player.motion.length - 1) / player.fps;
  }

  show(seconds) {
    this.seconds = seconds;
    for (const { player, ended } of this.clips) {
      player.frame = Math.min(seconds * player.fps, player.motion.length - 1);
      player.canvas.dataset.seconds = (player.frame / player.fps).toFixed(6);
      ended.hidden = seconds <= this.end(player);
      player.draw();
    }
    this.slider.value = seconds;
    this.slider.setAttribute("aria-valuetext", `${seconds.toFixed(2)} seconds`);
    this.clock.value = `${seconds.toFixed(2)} / ${this.length.toFixed(2)} s`;
  }

  toggle() {
    if (playing === this.stop) return this.stop();
    playing?.();
    playing = this.stop;
    this.button.textContent = "❚❚ pause";
    if (this.seconds >= this.length) this.show(0);
    this.run();
  }

  run() {
    let before = performance.now();
    const step = (now) => {
      if (playing !== this.stop) return;
      const passed = Math.max(now - before, 0) / 1000 * Number(this.speed.value);
      before = now;
      /* The last poses stand for half a second before it begins again. */
      const next = this.seconds + passed;
      this.rest = next < this.length ? 0 : (this.rest ?? 0) + passed;
      this.show(this.rest > 0.5 ? 0 : Math.min(next, this.length));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  listen() {
    this.button.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => {
      if (playing === this.stop) this.stop();
      this.show(Number(this.slider.value));
    });
    for (const { player } of this.clips) {
      player.canvas.addEventListener("keydown", (event) => {
        if (event.key !== " ") return;
        event.preventDefault();
        this.toggle();
      });
    }
  }
}

/* Made when it comes into sight: a page may hold more motions than are worth unpacking at once. */
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    new Scene(target);
  }
}, { rootMargin: "600px" });

for (const article of document.querySelectorAll(".scene:has(.player)")) sight.observe(article);
