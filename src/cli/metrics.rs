//! The recorder behind the `metrics` macros, rendered on the server's own route.

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of every histogram in seconds: from a local commit to a fallback's wait.
const SECONDS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0];

/// Installs the recorder, once per process. The caller renders it, and calls `run_upkeep` now and then so that
/// histograms nobody scrapes do not grow.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("failed to install the metrics recorder")?;
    metrics::gauge!("carebell_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_installed_once_and_renders_histograms_in_seconds() {
        let handle = super::install().unwrap();
        metrics::histogram!("carebell_send_seconds").record(0.03);
        let text = handle.render();
        assert!(text.contains("carebell_build_info{version=\""), "{text}");
        assert!(text.contains("carebell_send_seconds_bucket{le=\"0.05\"} 1"), "{text}");
        assert!(super::install().is_err());
    }
}
