# Packages of what is built on this machine, and releases for all. The Makefile includes this.

.PHONY: bundled deb npm crate wheel sdist check-wheel clients release check-release

deb: bundled ## build build/packages/*.deb: the library, the program, the scripts
	@.package/pack deb '$(BUILD)/packages' '$(BUILD)/bundled'

npm: bundled ## build build/packages/*.tgz for npm: the package, and the one with the files for this machine
	@.package/pack npm '$(BUILD)/packages' '$(BUILD)/bundled'

crate: amalgamation ## build build/packages/*.crate for Cargo, from the one-file sources
	@BUILD='$(BUILD)' .package/fetch sqlite
	@.package/pack crate '$(BUILD)/packages' '$(BUILD)/amalgamation' '$(BUILD)/fetched/sqlite'

wheel: bundled ## build build/packages/*.whl for pip: the Python module, the library, the program
	@.package/pack wheel '$(BUILD)/packages' '$(BUILD)/bundled'

sdist: ## build build/packages/*.tar.gz for pip, which compiles it
	@BUILD='$(BUILD)' .package/python/backend.py '$(BUILD)/packages'

check-wheel: ## install the wheel in every Python that is found, by pip, uv and pipx (PyPI)
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps interop
	@BUILD='$(BUILD)' EVERY=1 tests/python tests/build/wheel.py

# What packages contain: jansson is linked in, and there is no debugging information.
bundled: all program
	@$(PARALLEL_MAKE) $(BUILD)/bundled/safetensors.so $(BUILD)/bundled/safetensors-sql

$(BUILD)/bundled/%: $(BUILD)/% $(JANSSON)
	@mkdir -p $(@D)
	$(OBJCOPY) --strip-all $< $@

clients: npm ## test packages and the clients of ext/docs/clients.md, after installing them (Debian, npm, Cargo, Go)
	@! command -v cargo >/dev/null || $(PARALLEL_MAKE) crate
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps clients
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/run clients packages

release: ## build everything that a release has, for all machines, in build/release/artefacts
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps release
	@$(PARALLEL_MAKE) amalgamation
	@BUILD='$(BUILD)' .package/fetch sqlite libmd zig
	@BUILD='$(BUILD)' .package/compile
	@.package/release '$(BUILD)'

check-release: ## test what `make release` has left
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps release
	@BUILD='$(BUILD)' tests/run release
