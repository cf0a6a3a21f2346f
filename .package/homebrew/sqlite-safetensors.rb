class SqliteSafetensors < Formula
  desc "Safetensors checkpoints as SQL tables: SQLite extension and command"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "@DOWNLOADS@/@FILE_MACOS_ARM64@"
      sha256 "@SHA256_MACOS_ARM64@"
    end
    on_intel do
      url "@DOWNLOADS@/@FILE_MACOS_X64@"
      sha256 "@SHA256_MACOS_X64@"
    end
  end

  on_linux do
    on_arm do
      url "@DOWNLOADS@/@FILE_LINUX_ARM64@"
      sha256 "@SHA256_LINUX_ARM64@"
    end
    on_intel do
      url "@DOWNLOADS@/@FILE_LINUX_X64@"
      sha256 "@SHA256_LINUX_X64@"
    end
  end

  def install
    bin.install "safetensors-sql"
    lib.install Dir["safetensors.{so,dylib}"]
    include.install "safetensors.h"
    man1.install "safetensors-sql.1"
    pkgshare.install "sql"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/safetensors-sql sql \"SELECT safetensors_version()\"")
  end
end
