/* Draws the curves of a report from its data, all on one time axis.
 *
 * Data comes in bins of equal width (measure/thin.h): of a gauge the last value, and how far the least and the
 * greatest were from it; of an amount what came to pass. For the time that is shown, 2^level bins become a row
 * each, so that there are about as many rows as pixels, and least and greatest stay least and greatest.
 */
(function () {
	'use strict';

	const ROWS = 900;      // of a gauge, at most
	const RATE_ROWS = 260; // of a rate: more is noise
	const RATE_WINDOW_S = 0.01;
	const LANE_ROWS = 160;
	const LIMITS = ['network', 'receiver', 'sender', 'application', 'cpu'];

	const data = JSON.parse(document.getElementById('data').textContent);
	const bin_s = data.width_us / 1e6;
	const origin_s = data.origin_us / 1e6;
	const flows = data.flows;
	const byId = (id) => document.getElementById(id);

	const names = flows.map((f) => f.name);
	flows.forEach((f, i) => {
		if (names.filter((n) => n === f.name).length > 1)
			f.name += ' (' + f.n + ')';
		f.shown = true;
		f.variable = '--flow-' + i;
	});

	const whole = [
		origin_s + Math.min(...flows.map((f) => f.from_us)) / 1e6,
		origin_s + Math.max(...flows.map((f) => f.to_us)) / 1e6,
	];
	if (whole[1] - whole[0] < 2 * bin_s) {
		whole[0] -= bin_s;
		whole[1] += bin_s;
	}
	let shown = whole.slice(); // in seconds since the trace began

	const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	const element = (tag, cls, text) => {
		const e = document.createElement(tag);
		if (cls)
			e.className = cls;
		if (text !== undefined)
			e.textContent = text;
		return e;
	};

	/* --- rows ------------------------------------------------------------------------------------ */

	/* So many bins, as a power of two, that the time shown has at most `rows` rows. */
	function level(rows, least_s) {
		let l = 0;
		while (bin_s * 2 ** l < least_s || (shown[1] - shown[0]) / (bin_s * 2 ** l) > rows)
			l++;
		return l;
	}

	const middle = (group, l) => origin_s + (group + 0.5) * bin_s * 2 ** l;

	/* The groups of the time shown, and one more at each side, so that lines run out of the picture. */
	function groups(l) {
		const width = bin_s * 2 ** l;
		return [
			Math.max(0, Math.floor((shown[0] - origin_s) / width) - 1),
			Math.floor((shown[1] - origin_s) / width) + 1,
		];
	}

	function gauge(series, group, l) {
		const from = Math.max(0, group * 2 ** l - series.at);
		const to = Math.min(series.v.length, (group + 1) * 2 ** l - series.at);
		let least = Infinity, greatest = -Infinity, last = null;
		for (let i = from; i < to; i++) {
			const v = series.v[i];
			if (v < 0)
				continue;
			least = Math.min(least, v - (series.below ? series.below[i] : 0));
			greatest = Math.max(greatest, v + (series.above ? series.above[i] : 0));
			last = v;
		}
		return last === null ? null : [least, last, greatest];
	}

	function amount(series, group, l) {
		const from = Math.max(0, group * 2 ** l - series.at);
		const to = Math.min(series.v.length, (group + 1) * 2 ** l - series.at);
		let sum = 0;
		for (let i = from; i < to; i++)
			sum += series.v[i];
		return sum;
	}

	/* Mbit/s over the part of the group in which the flow was watched, if that is no small part of either; the shade
	 * from its windows. */
	function rate(f, group, l) {
		const width = bin_s * 2 ** l;
		const begin = Math.max(group * width, f.from_us / 1e6);
		const end = Math.min((group + 1) * width, f.to_us / 1e6);
		const enough = Math.min(width, (f.to_us - f.from_us) / 1e6) / 4;
		if (!f.bytes || end <= begin || end - begin < enough)
			return null;
		const mean = amount(f.bytes, group, l) * 8e-6 / (end - begin);
		const windows = f.windows ? gauge(f.windows, group, l) : null;
		return [
			Math.min(mean, windows ? windows[0] / 1e3 : mean), mean,
			Math.max(mean, windows ? windows[2] / 1e3 : mean),
		];
	}

	/* --- charts ---------------------------------------------------------------------------------- */

	const ms = (v) => (v < 1 ? v.toFixed(3) : v < 100 ? v.toFixed(2) : v.toFixed(0)) + ' ms';
	const mbps = (v) => (v >= 1000 ? (v / 1000).toFixed(2) + ' Gbit/s' :
		v >= 1 ? v.toFixed(1) + ' Mbit/s' : (v * 1000).toFixed(v < 0.01 ? 2 : 0) + ' kbit/s');
	const segments = (v) => v.toFixed(0) + ' seg';
	const bytes = (v) => (v >= 1e6 ? (v / 1e6).toFixed(2) + ' MB' :
		v >= 1e3 ? (v / 1e3).toFixed(1) + ' kB' : v.toFixed(0) + ' B');
	/* To a thousandth of what is shown: a millisecond at most, a microsecond at least. */
	const seconds = (v) => v.toFixed(Math.min(6, Math.max(3, Math.ceil(3 - Math.log10(shown[1] - shown[0]))))) + ' s';

	const scaled = (by) => (v) => v && v.map((x) => x * by);

	function gaugeMeasure(name, member, style, scale, words, side) {
		return {
			name, style, words,
			has: (f) => f[member] && (!side || (side === 'receiver') === Boolean(f.received)),
			level: () => level(ROWS, 0),
			at: (f, group, l) => scaled(scale)(gauge(f[member], group, l)),
		};
	}

	function amountMeasure(name, member, style, words) {
		return {
			name, style, words,
			has: (f) => f[member],
			level: () => level(RATE_ROWS, 0),
			at: (f, group, l) => {
				const sum = amount(f[member], group, l);
				return sum > 0 ? [sum, sum, sum] : null;
			},
		};
	}

	const measures = {
		rate: [{
			name: 'rate', style: 'solid', words: mbps, has: (f) => f.bytes,
			level: () => level(RATE_ROWS, RATE_WINDOW_S), at: rate,
		}],
		rtt: [
			gaugeMeasure('smoothed', 'srtt', 'solid', 1e-3, ms),
			gaugeMeasure('latest', 'latest', 'thin', 1e-3, ms),
			gaugeMeasure('least', 'min', 'dashed', 1e-3, ms),
			gaugeMeasure('receiver’s', 'rcv', 'dotted', 1e-3, ms, 'receiver'),
		],
		cwnd: [
			gaugeMeasure('cwnd', 'cwnd', 'solid', 1, segments, 'sender'),
			gaugeMeasure('in flight', 'inflight', 'thin', 1, segments, 'sender'),
		],
		again: [
			amountMeasure('sent again', 'retrans', 'solid', bytes),
			amountMeasure('out of order', 'ooo', 'thin', segments),
			amountMeasure('retransmissions', 'events', 'dashed', (v) => v.toFixed(0)),
		],
	};

	if (flows.length > 2)
		measures.rtt.forEach((m, i) => { m.hidden = i > 0; });

	const PATTERNS = { solid: null, thin: null, dashed: [6, 4], dotted: [2, 3] };
	const WIDTHS = { solid: 1.8, thin: 0.9, dashed: 1.2, dotted: 1.5 };

	function barPlotter(e) {
		const ctx = e.drawingContext, base = e.dygraph.toDomYCoord(0, e.axis === 'y2' ? 1 : 0);
		const width = Math.max(1.5, Math.min(14, (e.points.length > 1 ?
			Math.abs(e.dygraph.toDomXCoord(e.points[1].xval) -
				e.dygraph.toDomXCoord(e.points[0].xval)) : 4) * 0.8));
		ctx.fillStyle = e.color;
		ctx.globalAlpha = 0.85;
		for (const p of e.points)
			if (p.yval > 0)
				ctx.fillRect(p.canvasx - width / 2, p.canvasy, width, base - p.canvasy);
		ctx.globalAlpha = 1;
	}

	const charts = [];

	class Chart {
		constructor(id) {
			this.figure = byId('chart-' + id);
			this.plot = this.figure.querySelector('.plot');
			this.legend = this.figure.querySelector('.legend');
			this.hair = element('div', 'hair');
			this.hair.hidden = true;
			this.values = element('span', 'values');
			charts.push(this);
		}

		put(rows, labels, options) {
			const all = Object.assign({ file: rows, labels, dateWindow: shown.slice() }, this.look(), options);
			if (this.graph) {
				this.graph.updateOptions(all);
			} else {
				this.graph = new Dygraph(this.plot, rows, all);
				this.plot.append(this.hair);
			}
		}

		look() {
			const grid = colour('--grid'), line = colour('--line');
			return {
				legend: 'never',
				interactionModel: {},
				showLabelsOnHighlight: false,
				highlightCircleSize: 0,
				rightGap: 8,
				gridLineColor: grid,
				axisLineColor: line,
				xRangePad: 0,
				axes: {
					x: { axisLabelFormatter: (v) => +v.toFixed(6) + ' s', pixelsPerLabel: 80 },
					y: { axisLabelWidth: 52, pixelsPerLabel: 34 },
				},
			};
		}

		point(s) {
			const x = s === null || !this.graph ? -1 : this.graph.toDomXCoord(s);
			const area = this.graph ? this.graph.getArea() : null;
			this.hair.hidden = !area || x < area.x || x > area.x + area.w;
			this.hair.style.left = x + 'px';
			if (area)
				this.hair.style.height = area.h + 'px';
			this.values.replaceChildren(...(this.hair.hidden ? [] : this.told(s)));
		}

		value(f, name, words) {
			const e = element('span');
			e.append(...(flows.length > 1 ? [element('bdi', '', f.name), ' '] : []), name ? name + ' ' : '',
				element('b', '', words));
			e.style.color = f.variable ? colour(f.variable) : '';
			return e;
		}
	}

	/* Of what the other side sends, its kernel knows. */
	function theirs(chart) {
		const of = flows.filter((f) => f.received);
		const names = of.flatMap((f, i) => [i ? ' and ' : 'of ', element('bdi', '', f.name)]);
		const whom = of.length === flows.length ? ['here'] : of.length > 2 ? ['of ' + of.length + ' of them'] : names;
		if (of.length)
			chart.figure.querySelector('.how').append(
				'. Not known ', ...whom, ': the kernel that sends is the other side’s.');
	}

	/* Lines of measures × flows. */
	class Lines extends Chart {
		constructor(id) {
			super(id);
			this.bars = id === 'again';
			this.measures = measures[id].filter((m) => flows.some(m.has));
			this.measures.forEach((m) => { m.shown = !m.hidden; });
			if (id === 'cwnd')
				theirs(this);
			if (this.measures.length === 0) {
				this.plot.replaceWith(element('p', 'nothing', this.bars ? 'None was seen.' :
					id === 'cwnd' && flows.every((f) => f.received) ? '' :
						'The trace’s source does not tell.'));
				this.legend.remove();
				charts.pop();
				return;
			}
			if (this.measures.length > 1)
				this.measures.forEach((m) => this.legend.append(toggle(m.name, m, m.style)));
			this.legend.append(this.values);
		}

		lines() {
			const lines = [];
			for (const m of this.measures)
				for (const f of flows)
					if (m.shown && f.shown && m.has(f))
						lines.push({ m, f });
			return lines;
		}

		draw() {
			const lines = this.lines();
			if (lines.length === 0)
				return this.put([[shown[0], [null, null, null]]], ['t', ''], { customBars: true });
			const l = lines[0].m.level(), [first, last] = groups(l);
			const rows = [], series = {};
			for (let g = first; g <= last; g++) {
				const row = [middle(g, l)];
				for (const line of lines)
					row.push(line.m.at(line.f, g, l));
				if (row.some((v, i) => i > 0 && v))
					rows.push(row.map((v) => v || [null, null, null]).map((v, i) => i ? v : row[0]));
			}
			this.rows = rows;
			this.level_s = bin_s * 2 ** l;
			lines.forEach((line, i) => {
				series['s' + i] = {
					color: colour(line.f.variable),
					strokeWidth: WIDTHS[line.m.style],
					strokePattern: PATTERNS[line.m.style],
					axis: this.bars && line.m.words !== bytes && lines[0].m.words === bytes ? 'y2' : 'y',
				};
				if (this.bars)
					series['s' + i].plotter = barPlotter;
			});
			this.put(rows.length ? rows : [[shown[0], ...lines.map(() => [null, null, null])]],
				['t', ...lines.map((_, i) => 's' + i)], {
					customBars: true,
					connectSeparatedPoints: !this.bars,
					fillAlpha: 0.17,
					includeZero: true,
					series,
					axes: this.axes(lines),
				});
			const unit = this.figure.querySelector('small');
			if (this.bars)
				unit.textContent = 'in each ' + (this.level_s < 1 ?
					(this.level_s * 1e3).toPrecision(3) + ' ms' : this.level_s.toPrecision(3) + ' s');
		}

		axes(lines) {
			const axes = this.look().axes;
			const short = (v) => v >= 1e6 ? v / 1e6 + 'M' : v >= 1e4 ? v / 1e3 + 'k' : String(+v.toFixed(3));
			axes.y.axisLabelFormatter = this.bars && lines[0].m.words === bytes ?
				(v) => v >= 1e6 ? +(v / 1e6).toFixed(2) + ' MB' :
					v >= 1e3 ? +(v / 1e3).toFixed(1) + ' kB' : v + ' B' :
				short;
			if (lines.some((line) => this.bars && line.m.words !== lines[0].m.words))
				axes.y2 = { axisLabelWidth: 52, axisLabelFormatter: short, drawGrid: false, independentTicks: true };
			return axes;
		}

		/* The row in which an instant lies, or the last one before it. */
		told(s) {
			const lines = this.lines(), told = [];
			lines.forEach((line, i) => {
				let found = null;
				for (const row of this.rows) {
					if (row[0] - this.level_s / 2 > s)
						break;
					if (row[i + 1][1] !== null && row[0] >= s - Math.max(this.level_s, (shown[1] - shown[0]) / 50))
						found = row[i + 1];
				}
				if (!found)
					return;
				const [least, greatest] = [line.m.words(found[0]), line.m.words(found[2])];
				const spread = least !== greatest && !this.bars ? ` (${least} – ${greatest})` : '';
				told.push(this.value(line.f, this.measures.length > 1 ? line.m.name : '',
					line.m.words(found[1]) + spread));
			});
			return told;
		}
	}

	/* A lane for each flow that we send, its shares one upon the other. */
	class Lanes extends Chart {
		constructor() {
			super('limits');
			this.merged = flows.map((f) => f.limits ? f.limits.merged : 1);
			this.lanes = flows.filter((f) => f.limits && LIMITS.some((l) => f.limits[l]));
			theirs(this);
			if (this.lanes.length === 0) {
				this.plot.remove();
				this.legend.remove();
				charts.pop();
				return;
			}
			LIMITS.filter((l) => this.lanes.some((f) => f.limits[l])).forEach((l) => {
				this.legend.append(element('span', 'lane limit-' + l, l));
			});
			this.legend.append(this.values);
		}

		visible() {
			return this.lanes.filter((f) => f.shown);
		}

		draw() {
			const lanes = this.visible();
			this.plot.style.height = 44 + Math.max(1, lanes.length) * 34 + 'px';
			if (this.graph)
				this.graph.resize();
			this.put([[shown[0], 0], [shown[1], 0]], ['t', 'lane'], {
				strokeWidth: 0,
				valueRange: [0, Math.max(1, lanes.length)],
				underlayCallback: (ctx, area, g) => this.paint(ctx, area, g, lanes),
				drawGrid: false,
				axes: Object.assign(this.look().axes, {
					y: { axisLabelWidth: 52, axisLabelFormatter: () => '' },
				}),
			});
		}

		/* Microseconds by kind between two merged bins. */
		shares(f, from, to) {
			const us = LIMITS.map((l) => f.limits[l] ?
				f.limits[l].slice(Math.max(0, from), to).reduce((a, b) => a + b, 0) : 0);
			return { us, all: us.reduce((a, b) => a + b, 0) };
		}

		step(f) {
			const width = bin_s * f.limits.merged;
			let n = 1;
			while ((shown[1] - shown[0]) / (n * width) > LANE_ROWS)
				n *= 2;
			return [n, n * width];
		}

		paint(ctx, area, g, lanes) {
			lanes.forEach((f, i) => {
				const [n, width] = this.step(f);
				const top = area.y + area.h * i / lanes.length + 3, height = area.h / lanes.length - 6;
				const first = Math.max(0, Math.floor((shown[0] - origin_s) / width));
				for (let k = first; origin_s + k * width < shown[1]; k++) {
					const { us, all } = this.shares(f, k * n, (k + 1) * n);
					const x = Math.round(Math.max(area.x, g.toDomXCoord(origin_s + k * width)));
					const end = Math.round(Math.min(area.x + area.w, g.toDomXCoord(origin_s + (k + 1) * width)));
					let y = top + height;
					for (let m = 0; all > 0 && m < LIMITS.length; m++) {
						const h = height * us[m] / all;
						ctx.fillStyle = colour('--' + LIMITS[m]);
						ctx.fillRect(x, y - h, end - x, h);
						y -= h;
					}
				}
				ctx.fillStyle = colour(f.variable);
				ctx.fillRect(area.x - 8, top, 4, height);
			});
		}

		told(s) {
			return this.visible().map((f) => {
				const [n, width] = this.step(f);
				const k = Math.floor((s - origin_s) / width);
				const { us, all } = this.shares(f, k * n, (k + 1) * n);
				if (all <= 0)
					return null;
				return this.value(f, '', LIMITS.map((l, i) => [l, us[i] / all * 100])
					.filter((p) => p[1] >= 0.5).map((p) => p[0] + ' ' + p[1].toFixed(0) + ' %').join(', '));
			}).filter((e) => e);
		}
	}

	/* Its axis is not time: it neither zooms nor follows the pointer of the others. */
	class Distribution extends Chart {
		constructor() {
			super('cdf');
			charts.pop();
			this.figure.addEventListener('pointermove', (e) => this.point(
				this.graph && this.graph.toDataXCoord(e.clientX - this.plot.getBoundingClientRect().left)));
			this.figure.addEventListener('pointerleave', () => this.point(null));
			this.legend.append(this.values);
		}

		draw() {
			const of = flows.filter((f) => f.shown && f.rtt);
			const all = flows.filter((f) => f.rtt).flatMap((f) => f.rtt.us.map((p) => p[1] / 1e3));
			if (all.length === 0) {
				this.figure.remove();
				return;
			}
			const rows = of.flatMap((f, i) => f.rtt.us.map((p) => {
				const row = [p[1] / 1e3, ...of.map(() => null)];
				row[i + 1] = p[0];
				return row;
			})).sort((a, b) => a[0] - b[0]);
			const least = Math.min(...all), most = Math.max(...all), log = least > 0 && most > 20 * least;
			this.of = of;
			this.put(rows.length ? rows : [[least, null]], ['ms', ...(of.length ? of.map((_, i) => 's' + i) : ['s0'])], {
				dateWindow: log ? [least * 0.9, most * 1.1] :
					[least - (most - least) * 0.03 - 1e-3, most + (most - least) * 0.03 + 1e-3],
				connectSeparatedPoints: true,
				valueRange: [0, 103],
				stepPlot: false,
				strokeWidth: 1.8,
				series: Object.fromEntries(of.map((f, i) => ['s' + i, { color: colour(f.variable) }])),
				axes: {
					x: { axisLabelFormatter: (v) => +v.toPrecision(3) + ' ms', pixelsPerLabel: 70, logscale: log },
					y: { axisLabelWidth: 52, axisLabelFormatter: (v) => v + ' %', pixelsPerLabel: 40 },
				},
			});
			this.point(null);
		}

		point(x) {
			super.point(x);
			if (this.hair.hidden)
				this.values.replaceChildren(...this.of.map((f) => this.value(f, f.rtt.field, f.rtt.n + ' samples')));
		}

		told(x) {
			return this.of.map((f) => {
				const below = f.rtt.us.filter((p) => p[1] / 1e3 <= x);
				return this.value(f, '', (below.length ? below[below.length - 1][0] : 0) + ' % ≤ ' + ms(x));
			});
		}
	}

	/* --- what is shown --------------------------------------------------------------------------- */

	function toggle(name, what, style, variable) {
		const b = element('button');
		const mark = element('span', 'swatch ' + (style || ''));
		b.type = 'button';
		if (variable) {
			b.dataset.variable = variable;
			mark.style.borderColor = 'var(' + variable + ')';
		}
		b.append(mark, element('span', '', name));
		b.setAttribute('aria-pressed', what.shown);
		b.addEventListener('click', () => {
			what.shown = !what.shown;
			b.setAttribute('aria-pressed', what.shown);
			draw();
		});
		return b;
	}

	let pointer = null; // in seconds; null: nowhere

	function tell() {
		const utc = new Date(data.utc_ms + (pointer === null ? 0 : pointer) * 1e3);
		charts.forEach((c) => c.point(pointer));
		byId('at').textContent = pointer === null ?
			'Shown: ' + seconds(shown[0]) + ' to ' + seconds(shown[1]) +
			'. Drag over a curve to look closer; double-click to see all.' :
			seconds(pointer) + ' since the trace began' +
			(data.utc_ms > 0 && !isNaN(utc) ? ', ' + utc.toISOString().replace('T', ' ') : '');
	}

	function draw() {
		charts.forEach((c) => c.draw());
		distribution.draw();
		tell();
	}

	/* Never outside of what there is, and never closer than a few bins. */
	function show(from, to) {
		const least = Math.min(whole[1] - whole[0], 8 * bin_s);
		const width = Math.max(least, Math.min(to - from, whole[1] - whole[0]));
		const begin = Math.min(Math.max(whole[0], (from + to - width) / 2), whole[1] - width);
		shown = [begin, begin + width];
		draw();
	}

	function zoom(factor) {
		const at = pointer === null ? (shown[0] + shown[1]) / 2 : pointer;
		show(at + (shown[0] - at) * factor, at + (shown[1] - at) * factor);
	}

	function pan(share) {
		const by = (shown[1] - shown[0]) * share;
		show(shown[0] + by, shown[1] + by);
	}

	/* --- the pointer ----------------------------------------------------------------------------- */

	function follow(chart) {
		const plot = chart.plot, mark = element('div', 'marked');
		let from = null;
		const second = (e) => {
			const x = e.clientX - plot.getBoundingClientRect().left, area = chart.graph.getArea();
			return chart.graph.toDataXCoord(Math.min(Math.max(x, area.x), area.x + area.w));
		};
		const paint = (to) => {
			const a = chart.graph.toDomXCoord(Math.min(from, to));
			mark.style.left = a + 'px';
			mark.style.width = chart.graph.toDomXCoord(Math.max(from, to)) - a + 'px';
		};

		plot.addEventListener('pointerdown', (e) => {
			if (e.button !== 0)
				return;
			from = second(e);
			paint(from);
			plot.append(mark);
			if (plot.setPointerCapture)
				plot.setPointerCapture(e.pointerId);
		});
		plot.addEventListener('pointermove', (e) => {
			pointer = second(e);
			if (from !== null)
				paint(pointer);
			tell();
		});
		const end = (e) => {
			const to = second(e), a = from;
			from = null;
			mark.remove();
			if (a !== null && e.type === 'pointerup' &&
				Math.abs(chart.graph.toDomXCoord(to) - chart.graph.toDomXCoord(a)) > 5)
				show(Math.min(a, to), Math.max(a, to));
		};
		plot.addEventListener('pointerup', end);
		plot.addEventListener('pointercancel', end);
		plot.addEventListener('pointerleave', () => {
			if (from === null) {
				pointer = null;
				tell();
			}
		});
		plot.addEventListener('dblclick', () => show(...whole));
	}

	function keys(e) {
		const step = (shown[1] - shown[0]) / 100;
		const move = (by) => {
			pointer = pointer === null ? (shown[0] + shown[1]) / 2 : pointer + by;
			pointer = Math.min(Math.max(pointer, shown[0]), shown[1]);
			tell();
		};
		const does = {
			'+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': () => show(...whole),
			ArrowLeft: () => e.shiftKey ? pan(-0.25) : move(-step),
			ArrowRight: () => e.shiftKey ? pan(0.25) : move(step),
			Escape: () => { pointer = null; tell(); },
		}[e.key];
		if (!does || e.ctrlKey || e.metaKey || e.altKey)
			return;
		e.preventDefault();
		does();
	}

	/* --- begin ----------------------------------------------------------------------------------- */

	Dygraph.PLUGINS = [Dygraph.Plugins.Grid, Dygraph.Plugins.Axes];
	['rate', 'rtt', 'cwnd', 'again'].forEach((id) => new Lines(id));
	new Lanes();
	const distribution = new Distribution();

	flows.forEach((f) => byId('flows').append(toggle(f.name, f, 'solid', f.variable)));
	draw();
	charts.forEach(follow);
	byId('charts').addEventListener('keydown', keys);
	byId('in').addEventListener('click', () => zoom(0.5));
	byId('out').addEventListener('click', () => zoom(2));
	byId('earlier').addEventListener('click', () => pan(-0.25));
	byId('later').addEventListener('click', () => pan(0.25));
	byId('all').addEventListener('click', () => show(...whole));

	/* Colours, and on paper sizes, are others. */
	function redraw() {
		[...charts, distribution].forEach((c) => c.graph && c.graph.resize());
		draw();
	}
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
	matchMedia('print').addEventListener('change', redraw);
	addEventListener('beforeprint', redraw);
	addEventListener('afterprint', redraw);
	addEventListener('resize', redraw);
}());
