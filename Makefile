# Tasks for developers and CI. `make` without a target lists them.

.PHONY: help setup run release test soak lint bench fuzz

# Media folder of `make run`: a copy of the fixtures, which also takes uploads. The fixtures stay unchanged.
MEDIA ?= run/media
FUZZ_SECONDS ?= 60
SOAK_MINUTES ?= 15

# Tests that do not depend on real files: they also run against a bucket.
ON_S3 = assets changes conformance corpus explain http mpegts oracle serve

help:
	@echo "make run     a quick build that serves $(MEDIA); prints where it plays"
	@echo "make release the build for production: target/release/afflux"
	@echo "make test    set up what tests need, then every test, players included; what is served, also from S3"
	@echo "make soak    a mixed crowd for SOAK_MINUTES=$(SOAK_MINUTES): nothing grows"
	@echo "make lint    set-up, then format, clippy, docs, licences"
	@echo "make bench   what we claim, measured"
	@echo "make fuzz    each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make setup   only the set-up (Debian packages, player packages)"

setup:
	bash tests/setup.sh

# A fast build: few optimisations, without PostgreSQL, Azure and Google Cloud Storage.
QUICK = --profile quick --no-default-features

run:
	@echo "Building. The first build takes about 7 minutes on two idle cores (it builds 240 crates), later ones seconds."
	cargo build $(QUICK)
	mkdir -p run/media && cp -Rpn fixtures/media/. run/media/
	@echo "Once it says 'public http://…', open that address: the gallery plays every asset."
	@echo "The address behind 'upload' takes more; it asks for the key that the first start prints."
	cargo run $(QUICK) --quiet -- serve --media $(MEDIA)

release:
	@echo "Building. It takes about 15 minutes on two idle cores; the last step, afflux itself, takes half of that in silence."
	cargo build --release
	@echo "target/release/afflux is ready; cargo install --path . puts it into your PATH."

test: setup
	cargo test --all-features
	AFFLUX_TEST_STORE=s3 cargo test --all-features $(ON_S3:%=--test %)
	bash tests/players.sh
	AFFLUX_TEST_STORE=s3 bash tests/players.sh

soak:
	SOAK_MINUTES=$(SOAK_MINUTES) cargo test --release --test soak -- --ignored --nocapture

lint: setup
	cargo fmt --check
	cargo clippy --all-targets --all-features -- -D warnings
	cargo clippy --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --config .deny.toml check licenses bans sources

bench:
	bash benches/setup.sh
	cargo bench

# cargo-fuzz needs nightly flags; RUSTC_BOOTSTRAP makes the stable compiler accept them.
fuzz:
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cd fuzz && for target in $$(RUSTC_BOOTSTRAP=1 cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done
