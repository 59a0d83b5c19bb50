run:
	cargo run -p cli --bin fanfare -- serve --dev
